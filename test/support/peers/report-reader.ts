/**
 * Reports as a program reads them that nobody here wrote: Python's email package.
 */
import { spawnSync } from 'node:child_process';

const READER = `
import sys, json, email, email.policy
policy = email.policy.SMTPUTF8
report = email.message_from_bytes(sys.stdin.buffer.read(), policy=policy)
parts = list(report.walk())
def tell(name, value):
    print(json.dumps([name, str(value)]))
tell('type', report.get_content_type())
tell('report-type', report.get_param('report-type'))
tell('parts', ' '.join(p.get_content_type() for p in parts))
tell('defects', [repr(d) for p in parts for d in p.defects] + [repr(d) for v in report.values() for d in v.defects])
for name, value in report.items():
    tell('header ' + name, value)
text, status, *returned = report.get_payload()
tell('text', text.get_content())
for at, group in enumerate(status.get_payload()):
    for name, value in group.items():
        tell('status %d %s' % (at, name), value)
for part in returned:
    inner = part.get_payload()
    if not isinstance(inner, list):
        inner = [email.message_from_bytes(part.get_payload(decode=True), policy=policy)]
    tell('returned subject', inner[0]['Subject'])
    tell('returned text', inner[0].get_content())
`;

/** What it found, by names such as `type`, `parts`, `defects`, `header To`, `status 1 Action`, `returned subject`. */
export function readReport(octets: Buffer): ReadonlyMap<string, string> {
  const { status, stdout, stderr } = spawnSync('python3', ['-c', READER], {
    input: octets,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`python3 could not read it:\n${stderr}\n${octets.toString()}`);
  const found = new Map<string, string>();
  for (const line of stdout.trim().split('\n')) {
    const pair: unknown = JSON.parse(line);
    if (Array.isArray(pair)) found.set(String(pair[0]), String(pair[1]));
  }
  return found;
}
