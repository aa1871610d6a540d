/**
 * SASLprep (RFC 4013): the same user name and password however they were typed.
 *
 * Code points unassigned in Unicode 3.2 pass, as in a query. Deviates from RFC 5802 §2.2 for the password, because those
 * are all characters newer than 2002: whether such a password exists is for the server to say, and it cannot be
 * mistaken for another one. What is prohibited (controls, private use, a mix of writing directions) ends the exchange
 * before AUTH (RFC 5802 §5.1): some servers then take the octets as they are, others fail, and a guess would look like
 * a wrong password and lock the account.
 */
import { saslprep } from '@mongodb-js/saslprep';

import { SaslError, type MechanismName } from './mechanism.ts';

/**
 * @param mechanism that wants it, for the error
 * @throws {SaslError} user-not-preparable | password-not-preparable, also when nothing is left
 */
export function prepare(text: string, what: 'user' | 'password', mechanism: MechanismName): string {
  let prepared = '';
  try {
    prepared = saslprep(text, { allowUnassigned: true });
  } catch {
    // The library's error adds nothing, and none for a text of which nothing is left.
  }
  if (prepared === '') throw new SaslError(`${what}-not-preparable`, mechanism);
  return prepared;
}
