/**
 * What a relay tells the status page, as the page hears it.
 */
import type { Update } from '../../src/admin/status/status.ts';
import type { RelayProcess } from './relay-process.ts';

/** The server-sent events until one ends that makes this true of all that was heard. */
export async function statusEvents(
  relay: RelayProcess,
  isEnough: (heard: string) => boolean = (heard) => heard.includes('event: whole'),
): Promise<string> {
  const { port } = await relay.event('admin.started');
  const leaving = new AbortController();
  const response = await fetch(`http://127.0.0.1:${Number(port)}/events`, { signal: leaving.signal });
  let heard = '';
  if (response.body !== null)
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      heard += text;
      if (heard.endsWith('\n\n') && isEnough(heard)) break;
    }
  leaving.abort();
  return heard;
}

/** All that the page is told at its beginning. */
export async function wholeStatus(relay: RelayProcess): Promise<Update> {
  return JSON.parse(/event: whole\ndata: (.*)/.exec(await statusEvents(relay))?.[1] ?? '');
}
