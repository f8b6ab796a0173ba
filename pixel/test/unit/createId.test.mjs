import assert from 'node:assert/strict';
import { test } from 'node:test';

const { createId } = await import(`${process.env.PIXEL_BUILT}/createId.mjs`);

test('an id is a version 7 UUID of its time', () => {
  const random = new Uint8Array([0xfa, 0x0b, 0x1c, 0x02, 0x0d, 0x0e, 0x0f, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x10, 0xaa, 0xbb]);
  assert.equal(createId(0x0192_3456_789a, random), '01923456-789a-7abc-adef-01234567890a');
});

test('the variant is one of 8, 9, a, b, whatever is random', () => {
  for (const [byte, digit] of [[0x00, '8'], [0x01, '9'], [0xf6, 'a'], [0xff, 'b']]) {
    assert.equal(createId(0, new Uint8Array(20).fill(byte))[19], digit);
  }
});

test('later ids sort later as text', () => {
  const high = new Uint8Array(20).fill(255);
  const low = new Uint8Array(20);
  assert.ok(createId(1_800_000_000_000, high) < createId(1_800_000_000_001, low));
});
