/**
 * EXTERNAL (RFC 4422 appendix A): the client certificate has said who we are already.
 */
import { base64, type Mechanism } from './mechanism.ts';

/** @param user authorization identity; '' for the one that the server takes from the certificate */
export function external(user: string): Mechanism {
  const response = base64(user);
  let isAsked = false;
  return {
    name: 'EXTERNAL',
    initialResponse: response,
    /** Some servers ignore the initial response and ask for it again; asked twice, something is wrong. */
    respond() {
      if (isAsked) return undefined;
      isAsked = true;
      return response;
    },
  };
}
