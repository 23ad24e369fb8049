import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { newMasterKey } from './keys.ts';
import { createSealer, SEAL_BYTES } from './seal.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

test('the MAC is Poly1305-AES: the vectors of its paper are accepted', () => {
  // D. J. Bernstein, "The Poly1305-AES message-authentication code", appendix B.
  for (const [message, r, k, nonce, mac] of [
    [
      'f3f6',
      '851fc40c3467ac0be05cc20404f3f700',
      'ec074c835580741701425b623235add6',
      'fb447350c4e868c52ac3275cf9d4327e',
      'f4c633c3044fc145f84f335cb81953de',
    ],
    [
      '',
      'a0f3080000f46400d0c7e9076c834403',
      '75deaa25c09f208e1dc4ce6b5cad3fbf',
      '61ee09218d29b0aaed7e154a2c5509cc',
      'dd3fab2251f11ac759f0887129cc2ee7',
    ],
  ] as const) {
    const sealer = createSealer({ encrypt: randomBytes(32), macK: hex(k), macR: hex(r) });
    assert.ok(sealer.tryOpen(hex(nonce + message + mac)));
    const wrong = hex(nonce + message + mac);
    wrong[wrong.length - 1]! ^= 1;
    assert.equal(sealer.tryOpen(wrong), undefined);
  }
});

test('what is sealed opens again, and the ciphertext is AES-256-CTR', () => {
  const sealer = createSealer(newMasterKey(randomBytes));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), (plain) => {
      const sealed = sealer.seal(plain);
      assert.equal(sealed.length, plain.length + SEAL_BYTES);
      assert.ok(sealer.open(sealed, 'it').equals(plain));
    }),
  );
});

test('a changed bit anywhere, a cut, and another key are refused', () => {
  const sealer = createSealer(newMasterKey(randomBytes));
  const sealed = sealer.seal(Buffer.from('a secret'));
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const changed = Buffer.from(sealed);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    assert.throws(() => sealer.open(changed, 'it'), { code: 'RepositoryCorrupt' });
  }
  for (let length = 0; length < sealed.length; length++)
    assert.equal(sealer.tryOpen(sealed.subarray(0, length)), undefined);
  assert.equal(createSealer(newMasterKey(randomBytes)).tryOpen(sealed), undefined);
});

test('no nonce is used twice', () => {
  const sealer = createSealer(newMasterKey(randomBytes));
  const nonces = Array.from({ length: 2000 }, () => sealer.seal(Buffer.alloc(1)).toString('hex', 0, 16));
  assert.equal(new Set(nonces).size, nonces.length);
});
