/**
 * A presented chain in words: whose certificates, by whom, for which names and how long.
 *
 * Does not: judge it (tls/).
 */
import type { X509Certificate } from 'node:crypto';

import type { PresentedChain } from '../tls/presented-chain.ts';
import { spkiSha256 } from '../tls/spki.ts';
import type { CertificateFinding, HandshakeFinding } from './findings.ts';
import { shown, shownList } from './foreign-text.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;

/** Entries of a subjectAltName as Node writes it: between commas, quoted where a comma would mislead. */
const NAME = /(?:[^",]|"(?:[^"\\]|\\.)*")+/g;

export function describeChain({ certificates, protocol, cipher, group }: PresentedChain): HandshakeFinding {
  const [leaf] = certificates;
  const names = leaf.subjectAltName?.match(NAME)?.map((name) => name.trim()) ?? [];
  return {
    protocol,
    cipher,
    group,
    pin: spkiSha256(leaf),
    certificates: certificates.map((certificate, index) => ({
      ...describe(certificate),
      ...(index === 0 ? { names: shownList(names) } : {}),
    })),
  };
}

function describe(certificate: X509Certificate): CertificateFinding {
  const { subject, issuer, validFromDate, validToDate } = certificate;
  return {
    subject: shown(oneLine(subject)),
    issuer: shown(oneLine(issuer)),
    notBefore: dateText(validFromDate),
    notAfter: dateText(validToDate),
    daysLeft: isDate(validToDate) ? Math.floor((validToDate.getTime() - Date.now()) / DAY_MS) : undefined,
  };
}

/** Any stranger can send a certificate whose dates are none. */
function dateText(date: Date): string | undefined {
  return isDate(date) ? date.toISOString() : undefined;
}

function isDate(date: Date): boolean {
  return !Number.isNaN(date.getTime());
}

/** Node writes a distinguished name with one attribute a line. */
function oneLine(name: string | undefined): string {
  return (name ?? '').replaceAll('\n', ', ');
}
