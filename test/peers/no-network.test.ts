/**
 * A resolver that cannot even be sent to: in a network namespace where nothing is up, not loopback either.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

const RESOLVER = new URL('../../src/dns/resolver.ts', import.meta.url).href;
const TRUST = new URL('../../src/tls/trust.ts', import.meta.url).href;

const PROGRAM = `
  import { ValidatingResolver } from ${JSON.stringify(RESOLVER)};
  import { Trust } from ${JSON.stringify(TRUST)};
  const resolver = new ValidatingResolver(
    { kind: 'plain', host: '127.0.0.1', port: 53 },
    new Trust({ addedAnchors: [], isAnchorsOnly: true }),
  );
  try {
    await resolver.addresses('host.test', AbortSignal.timeout(5000));
  } catch (error) {
    process.stdout.write(error.name + ' ' + error.reason);
  }
`;

test('a question that cannot be sent fails with unreachable, and ends no process', () => {
  const said = execFileSync(
    'unshare',
    ['--net', process.execPath, '--input-type=module', '--eval', PROGRAM],
    { encoding: 'utf8' },
  );
  assert.equal(said, 'DnsError unreachable');
});
