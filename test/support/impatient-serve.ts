/**
 * `sealpost serve` whose primary soon loses patience with its workers: for tests, which would else wait half a minute.
 */
import { serve } from '../../src/commands/serve.ts';
import { loadSettings } from '../../src/config/settings.ts';

const loaded = loadSettings();
if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems));
process.exit(await serve(loaded.settings, { pulseMs: 200, mostUnanswered: 10 }));
