/**
 * Dates in mail: RFC 5322 §3.3, in UTC.
 */
export function mailDate(date: Date): string {
  return date.toUTCString().replace('GMT', '+0000');
}
