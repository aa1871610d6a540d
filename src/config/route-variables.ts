/**
 * The variable that says which messages go to which upstream.
 */
import { parseRouteRules } from './route-rules.ts';
import type { Values } from './table.ts';
import { optional, type Container } from './variable.ts';

export const ROUTE_VARIABLES = {
  routes: optional(
    'SEALPOST_ROUTES',
    {
      form: '`[client=…] [user=…] [from=…] [to=…] -> NAME`, one rule a line',
      meaning:
        'Which messages go to which upstream; the first rule that matches decides, all its conditions have to hold, and several values of one are separated by commas. `client` is a network or address, `user` the name that a client logged in with (`*` for anyone), `from` and `to` are `user@domain`, `user@`, `@domain`, `*.domain` (what is below it) or `<>`, as the client gave them (bare ones with `SEALPOST_LOCAL_DOMAIN`). NAME is that of `SEALPOST_UPSTREAM_NAME_URL`, or `default` for `SEALPOST_UPSTREAM`, where mail goes that no rule matches, or `refuse "with a sentence"` for 550 5.7.1. `#` begins a comment. Recipients of one message that need another upstream than the first are told 452 4.5.3, so that the client sends to them next: mail servers and `sealpost-sendmail` do; programs without a queue take it for a refusal, and some, such as msmtp, then send to nobody, so choose by `client` or `from` for those.',
      isLong: true,
    },
    (variable) => {
      const text = variable.asString();
      return text === undefined ? undefined : parseRouteRules(text);
    },
  ),
} as const;

/** @throws the first problem */
export function readRoutes(container: Container): Pick<Values, keyof typeof ROUTE_VARIABLES> {
  return {
    routes: ROUTE_VARIABLES.routes.read(container),
  };
}
