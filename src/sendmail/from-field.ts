/**
 * The From field of a message that has none.
 */

/** RFC 2047 §2: a line with an encoded word has at most 76 characters; 18 of the first are `From: =?UTF-8?B?` and `?=`. */
const ENCODED_OCTETS = 42;
const LINE_CHARACTERS = 76;
// RFC 5322 §3.2.3: atoms with blanks between them.
const PLAIN_NAME = /^[\w!#$%&'*+\-/=?^`{|}~]+(?: +[\w!#$%&'*+\-/=?^`{|}~]+)*$/;

/** @param sender empty for the null reverse-path, which stands for the mail system itself */
export function fromField(fullName: string | undefined, sender: string, hostname: string): string {
  const address = sender === '' ? `MAILER-DAEMON@${hostname}` : sender;
  // A line end in a name would be the beginning of a field of its own.
  const name = (fullName ?? '').replaceAll(/\p{Cc}+/gu, ' ').trim();
  if (name === '') return `From: ${address}\r\n`;
  const beginning = `From: ${phrase(name)}`;
  const lastLine = `${beginning.slice(beginning.lastIndexOf('\n') + 1)} <${address}>`;
  return `${beginning}${lastLine.length > LINE_CHARACTERS ? '\r\n' : ''} <${address}>\r\n`;
}

function phrase(name: string): string {
  if (/[^ -~]/.test(name)) return encodedWords(name).join('\r\n ');
  return PLAIN_NAME.test(name) && !name.includes('=?') ? name : `"${name.replace(/["\\]/g, '\\$&')}"`;
}

/** RFC 2047 §5: no character is cut in two. */
function encodedWords(text: string): readonly string[] {
  const words: string[] = [];
  let word = '';
  for (const character of text) {
    if (Buffer.byteLength(word + character) > ENCODED_OCTETS) {
      words.push(word);
      word = '';
    }
    word += character;
  }
  return [...words, word].map((one) => `=?UTF-8?B?${Buffer.from(one).toString('base64')}?=`);
}
