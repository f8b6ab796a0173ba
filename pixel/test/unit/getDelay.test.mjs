import assert from 'node:assert/strict';
import { test } from 'node:test';

const { getDelay } = await import(`${process.env.PIXEL_BUILT}/getDelay.mjs`);

test('the wait doubles with every failure, up to five minutes', () => {
  assert.deepEqual([0, 1, 2, 8, 9, 5000].map((n) => getDelay(n, 0)), [1000, 2000, 4000, 256_000, 300_000, 300_000]);
});

test('chance takes off up to half, so that pages do not come back all at once', () => {
  assert.equal(getDelay(1, 0.5), 1500);
  assert.ok(getDelay(1, 0.999) > 1000);
});
