/**
 * LOGIN: user name and password, each asked for. No RFC; the only password mechanism of Microsoft 365.
 *
 * Guarantees: the password is never the answer to the first prompt, nor to one that asks for a user name.
 */
import { base64, type Login, type Mechanism } from './mechanism.ts';

export function login({ user, password }: Login): Mechanism {
  let prompts = 0;
  return {
    name: 'LOGIN',
    initialResponse: undefined,
    /** Prompts are worded in many ways ("Username:", "User Name\0", nothing); only a contradiction ends it. */
    respond(challenge) {
      prompts += 1;
      const prompt = Buffer.from(challenge, 'base64').toString('latin1').toLowerCase();
      if (prompts === 1) return prompt.startsWith('pass') ? undefined : base64(user);
      if (prompts === 2) return prompt.startsWith('user') ? undefined : base64(password.reveal());
      return undefined;
    },
  };
}
