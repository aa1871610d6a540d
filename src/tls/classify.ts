/**
 * From what a handshake reports to the words of RFC 8460 §4.3.
 *
 * Guarantees: every error has a result type; the reason is a code, never text from the peer.
 */
import { RelayError } from '../protocol/failure.ts';
import type { TlsResultType } from '../protocol/tls-result.ts';

// OpenSSL's verify results as Node names them, and words of ours. What is not here is a validation-failure.
const RESULT_TYPES: ReadonlyMap<string, TlsResultType> = new Map([
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'certificate-host-mismatch'],
  ['CERT_HAS_EXPIRED', 'certificate-expired'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'certificate-not-trusted'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'certificate-not-trusted'],
  ['UNABLE_TO_GET_ISSUER_CERT', 'certificate-not-trusted'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'certificate-not-trusted'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'certificate-not-trusted'],
  ['CERT_UNTRUSTED', 'certificate-not-trusted'],
  ['CERT_REJECTED', 'certificate-not-trusted'],
  ['INVALID_CA', 'certificate-not-trusted'],
  ['INVALID_PURPOSE', 'certificate-not-trusted'],
  ['CERT_SIGNATURE_FAILURE', 'certificate-not-trusted'],
  ['CERT_CHAIN_TOO_LONG', 'certificate-not-trusted'],
  ['PATH_LENGTH_EXCEEDED', 'certificate-not-trusted'],
  ['tlsa-mismatch', 'tlsa-invalid'],
]);

/** Result type and failure-reason-code of a handshake that failed. */
export function classifyHandshakeError(error: unknown): { resultType: TlsResultType; reason: string } {
  const reason = errorCode(error) ?? 'handshake-failed';
  return { resultType: RESULT_TYPES.get(reason) ?? 'validation-failure', reason };
}

/** The failure of a handshake. */
export function asTlsFailure(error: unknown): RelayError {
  return new RelayError(
    { kind: 'tls', phase: 'handshake', ...classifyHandshakeError(error) },
    { cause: error },
  );
}

/** The `code` that Node puts on its errors. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
