/**
 * Result types of RFC 8460 §4.3: the words for why a hop was not secured, in replies, logs, metrics and pages.
 */
export type TlsResultType =
  | 'starttls-not-supported'
  | 'certificate-host-mismatch'
  | 'certificate-expired'
  | 'certificate-not-trusted'
  | 'validation-failure'
  | 'tlsa-invalid'
  | 'dnssec-invalid'
  | 'dane-required';
