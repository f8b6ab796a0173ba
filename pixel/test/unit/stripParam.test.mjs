import assert from 'node:assert/strict';
import { test } from 'node:test';

const { stripParam } = await import(`${process.env.PIXEL_BUILT}/stripParam.mjs`);

const cases = [
  ['', ''],
  ['?mt=t1', ''],
  ['?a=1&mt=t1', '?a=1'],
  ['?mt=t1&a=1', '?a=1'],
  ['?a=1&mt=t1&b=2', '?a=1&b=2'],
  ['?a=%20+x&mt=t1&sig=A%2fb=', '?a=%20+x&sig=A%2fb='],
  ['?amt=5', '?amt=5'],
  ['?a=mt=1', '?a=mt=1'],
  ['?mt', '?mt'],
];

for (const [search, want] of cases) {
  test(`of ${search || 'an empty query'} stays ${want || 'nothing'}`, () => {
    assert.equal(stripParam(search, 'mt'), want);
  });
}
