/**
 * Plays every fault of the network at every phase and writes docs/FAULTS.md.
 */
import { writeFileSync } from 'node:fs';

import { faultDocument, outcome } from '../../test/support/fault-document.ts';
import { allCases, playAll } from '../../test/support/fault-run.ts';

const DOCUMENT = 'docs/FAULTS.md';

const results = await playAll(allCases());
const wrong = results.filter(
  ({ reply, delivered, isSpooled }) =>
    (delivered > 1 && !isSpooled) ||
    (reply.code < 300 && delivered < 1) ||
    (reply.code >= 500 && delivered > 0),
);
for (const one of wrong)
  process.stdout.write(
    `${one.manner.title}: ${one.fault} at ${one.phase}: ${outcome(one)}, ${one.delivered} times\n`,
  );
writeFileSync(DOCUMENT, faultDocument(results));
process.stdout.write(`${results.length} faults, ${wrong.length} lost or doubled; written to ${DOCUMENT}\n`);
if (wrong.length > 0) process.exitCode = 1;
