/**
 * From what a handshake reports to the words of RFC 8460 §4.3.
 *
 * Guarantees: every error has a result type; the reason is a code, never text from the peer.
 */
import { errorCode } from '../protocol/error-code.ts';
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
  ['PERMITTED_VIOLATION', 'certificate-not-trusted'],
  ['EXCLUDED_VIOLATION', 'certificate-not-trusted'],
  ['KEYUSAGE_NO_CERTSIGN', 'certificate-not-trusted'],
  ['tlsa-mismatch', 'tlsa-invalid'],
]);

// Node has a code for a part of OpenSSL's verify results; the others come as UNSPECIFIED with OpenSSL's own sentence
// (X509_verify_cert_error_string), which no peer has a hand in.
const UNSPECIFIED = 'UNSPECIFIED';
const OPENSSL_CODES: ReadonlyMap<string, string> = new Map([
  ['permitted subtree violation', 'PERMITTED_VIOLATION'],
  ['excluded subtree violation', 'EXCLUDED_VIOLATION'],
  ['key usage does not include certificate signing', 'KEYUSAGE_NO_CERTSIGN'],
  ['unhandled critical extension', 'UNHANDLED_CRITICAL_EXTENSION'],
  ['EE certificate key too weak', 'EE_KEY_TOO_SMALL'],
  ['CA certificate key too weak', 'CA_KEY_TOO_SMALL'],
  ['CA signature digest algorithm too weak', 'CA_MD_TOO_WEAK'],
]);

/** Result type and failure-reason-code of a handshake that failed. */
function classifyHandshakeError(error: unknown): { resultType: TlsResultType; reason: string } {
  const reason = reasonOf(error);
  return { resultType: RESULT_TYPES.get(reason) ?? 'validation-failure', reason };
}

function reasonOf(error: unknown): string {
  const code = errorCode(error) ?? 'handshake-failed';
  if (code !== UNSPECIFIED || !(error instanceof Error)) return code;
  return OPENSSL_CODES.get(error.message) ?? UNSPECIFIED;
}

/** The failure of a handshake. */
export function asTlsFailure(error: unknown): RelayError {
  return new RelayError(
    { kind: 'tls', phase: 'handshake', ...classifyHandshakeError(error) },
    { cause: error },
  );
}
