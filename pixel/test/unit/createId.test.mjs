import assert from 'node:assert/strict';
import { test } from 'node:test';

const { createId } = await import(`${process.env.PIXEL_BUILT}/createId.mjs`);

test('an id is a version 7 UUID of its time', () => {
  const id = createId(0x0192_3456_789a, new Uint8Array([0x1a, 0xbc, 0xff, 0xed, 1, 2, 3, 4, 5, 6]));
  assert.equal(id, '01923456-789a-7abc-bfed-010203040506');
});

test('the variant is one of 8, 9, a, b, whatever is random', () => {
  for (const [byte, digit] of [[0x00, '8'], [0x7f, '9'], [0x80, 'a'], [0xff, 'b']]) {
    assert.equal(createId(0, new Uint8Array(10).fill(byte))[19], digit);
  }
});

test('later ids sort later as text', () => {
  const high = new Uint8Array(10).fill(255);
  const low = new Uint8Array(10);
  assert.ok(createId(1_800_000_000_000, high) < createId(1_800_000_000_001, low));
});
