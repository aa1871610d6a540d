/**
 * Words of servers that are made with the Go library go-smtp: Proton Bridge is one, and Brevo refuses as they do.
 */
import { PLAIN_WORDS, type Words } from '../../../src/sandbox/provider/profile.ts';

export const GO_WORDS: Words = {
  ...PLAIN_WORDS,
  authenticated: '235 2.0.0 Authentication succeeded',
  sender: (path) => `250 2.0.0 Roger, accepting mail from <${path}>`,
  recipient: (path) => `250 2.0.0 I'll make sure <${path}> gets this`,
  data: '354 2.0.0 Go ahead. End your data with <CR><LF>.<CR><LF>',
  queued: () => '250 2.0.0 OK: queued',
  reset: '250 2.0.0 Session reset',
  noop: '250 2.0.0 I have successfully done nothing',
  unknownCommand: '500 5.5.2 Syntax errors, command unrecognized',
};
