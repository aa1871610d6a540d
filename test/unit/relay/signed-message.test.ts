import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { signatureOf, type Signature } from '../../../src/relay/signed-message.ts';

const SIGNED: readonly (readonly [string, string, Signature])[] = [
  ['DKIM', 'DKIM-Signature: v=1; a=rsa-sha256; d=x.test; h=To:From:Subject; b=abc=', 'dkim'],
  ['DKIM, folded', 'DKIM-Signature: v=1; d=x.test;\r\n\th=To : Sub\r\n ject:\r\n  FROM;\r\n\tb=abc', 'dkim'],
  ['DKIM, folded inside the tag', 'dkim-signature : v=1; h\r\n = From; b=x', 'dkim'],
  ['the second of two DKIM fields', 'DKIM-Signature: v=1; h=To\r\nDKIM-Signature: v=1; h=from', 'dkim'],
  [
    'S/MIME',
    'Content-Type: multipart/signed; protocol="application/pkcs7-signature";\r\n micalg=sha-256; boundary=b',
    'smime',
  ],
  ['opaque S/MIME', 'Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m', 'smime'],
  ['S/MIME of old programs', 'content-type:application/x-pkcs7-mime;name="smime.p7m"', 'smime'],
  [
    'PGP/MIME',
    'Content-Type: multipart/signed; micalg=pgp-sha512;\r\n\tprotocol="application/pgp-signature"; boundary=b',
    'pgp',
  ],
  ['PGP/MIME without quotes', 'Content-Type: Multipart/Signed; Protocol=application/pgp-signature', 'pgp'],
  ['encrypted PGP/MIME', 'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"', 'pgp'],
  ['a comment before the type', 'Content-Type: (signed) multipart/signed (so)\r\n ; boundary=b', 'smime'],
  ['a type on the next line', 'Content-Type:\r\n multipart/signed; boundary=b', 'smime'],
];

const UNSIGNED: readonly (readonly [string, string])[] = [
  ['none', 'Subject: multipart/signed; h=from'],
  ['DKIM that does not cover From', 'DKIM-Signature: v=1; h=To:X-From:Subject; bh=from; b=h=from'],
  ['DKIM without its list', 'DKIM-Signature: v=1; b=x'],
  ['another field’s name', 'X-DKIM-Signature: v=1; h=from; b=x'],
  ['other multiparts', 'Content-Type: multipart/mixed; boundary="multipart/signed"'],
  ['plain text', 'Content-Type: text/plain; name="application/pkcs7-mime"'],
  ['a detached part', 'Content-Type: application/pkcs7-signature; name=smime.p7s'],
  ['an empty type', 'Content-Type:'],
];

describe('sees the signature of', () => {
  for (const [name, field, signature] of SIGNED) {
    test(name, () => {
      assert.equal(
        signatureOf(Buffer.from(`From: a@x.test\r\n${field}\r\nTo: b@y.test\r\n\r\nbody`)),
        signature,
      );
    });
  }
});

describe('sees no signature in', () => {
  for (const [name, field] of UNSIGNED) {
    test(name, () => {
      assert.equal(signatureOf(Buffer.from(`${field}\r\n\r\nDKIM-Signature: h=from\r\n`)), undefined);
    });
  }
});

test('reads a mebibyte of a field at once', { timeout: 10_000 }, () => {
  for (const filling of ['h=', ':', ';', '(', '()', ' ', 'from:', '\\']) {
    const body = filling.repeat(Math.floor(1_000_000 / filling.length));
    for (const name of ['DKIM-Signature', 'Content-Type'])
      assert.equal(signatureOf(Buffer.from(`${name}: ${body}\r\n\r\n`)), undefined);
  }
});
