/**
 * PLAIN (RFC 4616): user and password in one response.
 */
import { base64, type Login, type Mechanism } from './mechanism.ts';

export function plain({ user, password }: Login): Mechanism {
  const response = base64(`\0${user}\0${password.reveal()}`);
  let isAsked = false;
  return {
    name: 'PLAIN',
    initialResponse: response,
    /** Some servers ignore the initial response and ask for it again; asked twice, something is wrong. */
    respond() {
      if (isAsked) return undefined;
      isAsked = true;
      return response;
    },
  };
}
