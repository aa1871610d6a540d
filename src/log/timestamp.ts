/**
 * The time of a line (RFC 3339, UTC, milliseconds). Under load many lines fall into one millisecond, and to write it costs as
 * much as the rest of a short line.
 */
let at = 0;
let text = '';

export function timestamp(): string {
  const now = Date.now();
  if (now !== at) text = new Date(now).toISOString();
  at = now;
  return text;
}
