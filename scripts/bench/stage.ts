/**
 * A stage: a network, and on it each system under test with an upstream of its own, so that what one delivers late is
 * never counted for another.
 */
import { freePorts, WorkDirectory } from '../../test/support/peers/peer.ts';
import type { TestAuthority } from '../../test/support/pki.ts';
import type { StageOptions } from './cases.ts';
import { DelayLine } from './delay-line.ts';
import type { Entry } from './load.ts';
import type { Peer } from './peers/peer.ts';
import type { Program } from './program.ts';
import { Sink } from './sink.ts';
import type { Tools } from './tools.ts';

const SERVER_NAME = 'sink.sealpost.test';
const LOOPBACK = '127.0.0.1';

/** A peer that is installed and can be started. */
export interface PreparedPeer {
  readonly peer: Peer;
  readonly prepared: WorkDirectory;
}

export interface Workshop {
  readonly tools: Tools;
  readonly work: WorkDirectory;
  readonly authority: TestAuthority;
}

/** A running system under test between its client's entry and its upstream. */
export interface Standing extends AsyncDisposable {
  readonly peer: Peer;
  readonly program: Program;
  readonly sink: Sink;
  readonly entry: Entry;
}

export class Stage implements AsyncDisposable {
  readonly options: StageOptions;
  readonly #workshop: Workshop;
  readonly #cleanup = new AsyncDisposableStack();
  readonly #files: { readonly certFile: string; readonly keyFile: string };
  #line: DelayLine | undefined;

  private constructor(options: StageOptions, workshop: Workshop) {
    this.options = options;
    this.#workshop = workshop;
    const { authority } = workshop;
    const san = `DNS:${SERVER_NAME},IP:${LOOPBACK},IP:${DelayLine.farAddress}`;
    this.#files = authority.files(authority.issue({ san }));
  }

  static async open(options: StageOptions, workshop: Workshop): Promise<Stage> {
    const stage = new Stage(options, workshop);
    const { tools, work } = workshop;
    if (options.roundTripMs > 0)
      stage.#line = stage.#cleanup.use(await DelayLine.open(tools, work, options.roundTripMs));
    return stage;
  }

  /**
   * Starts a peer and its upstream; both end with the stage at the latest.
   *
   * @param caFile what the peer trusts, when it is not what issued the upstream's certificate
   */
  async start(
    { peer, prepared }: PreparedPeer,
    caFile: string = this.#workshop.authority.caFile,
  ): Promise<Standing> {
    const running = this.#cleanup.use(new AsyncDisposableStack());
    const work = running.use(new WorkDirectory(`bench-${peer.name}`));
    const { tools } = this.#workshop;
    const sink = running.use(
      await Sink.start({
        ...this.#files,
        tools,
        work,
        name: peer.name,
        address: this.#line === undefined ? LOOPBACK : DelayLine.farAddress,
        serverName: SERVER_NAME,
        caFile,
        chunking: this.options.chunking,
        namespace: this.#line?.far,
      }),
    );
    const namespace = this.#line?.near;
    const [port = 0] = await freePorts(1);
    const place = { work, prepared, upstream: sink.upstream, port, namespace };
    const program = running.use(await peer.start(place));
    const { address, plainPort } = sink.upstream;
    const entry =
      peer.way === 'none' ? { address, port: plainPort, namespace } : { address: LOOPBACK, port, namespace };
    return { peer, program, sink, entry, [Symbol.asyncDispose]: async () => running.disposeAsync() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cleanup.disposeAsync();
  }
}
