/**
 * All systems under test, in the order of the tables.
 */
import { direct } from './direct.ts';
import { emailrelay } from './emailrelay.ts';
import { haproxy } from './haproxy.ts';
import { haraka } from './haraka.ts';
import { msmtpd } from './msmtpd.ts';
import { nginx } from './nginx.ts';
import { nodemailer } from './nodemailer.ts';
import type { Peer } from './peer.ts';
import { postfix } from './postfix.ts';
import { observedSealpost, sealpost, type SealpostOptions } from './sealpost.ts';
import { stunnel } from './stunnel.ts';

export function allPeers(options: SealpostOptions): readonly Peer[] {
  const others = [nginx, haproxy, stunnel, postfix, haraka, nodemailer, msmtpd, emailrelay, direct];
  return [sealpost(options), ...others];
}

/** Those that are compared only when they are named. */
export function peersByName(options: SealpostOptions): readonly Peer[] {
  return [...allPeers(options), observedSealpost(options)];
}
