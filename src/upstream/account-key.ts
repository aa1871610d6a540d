/**
 * What tells the account that a target is used with from all others, in this process and in those beside it.
 */
import { createHash } from 'node:crypto';

import { placeText } from './place-text.ts';
import type { Target } from './target.ts';

/** A digest: some providers take their token as the name of the user. */
export function accountKey({ place, credentials }: Target): string {
  return createHash('sha256')
    .update(JSON.stringify([placeText(place), credentials?.user ?? '']))
    .digest('base64url');
}
