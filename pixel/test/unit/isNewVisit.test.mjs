import assert from 'node:assert/strict';
import { test } from 'node:test';

const { isNewVisit } = await import(`${process.env.PIXEL_BUILT}/isNewVisit.mjs`);

const LANDING = 'https://shop.example/?a=1&utm_source=mail&utm_campaign=x&mt=tk1#top';

const cases = [
  ['https://shop.example/', false, 'no campaign'],
  ['https://shop.example/p?utm_source=mail&utm_campaign=x', false, 'the same without the token'],
  ['https://shop.example/p?utm_campaign=x&utm_source=mail&mt=tk1', false, 'the same in another order'],
  ['https://shop.example/p?utm_source=ads', true, 'another source'],
  ['https://shop.example/p?mt=tk2', true, 'another token'],
  ['https://shop.example/p?b=1&gclid=1', true, 'a click id'],
  ['https://shop.example/p?msclkid=1', true, 'another click id'],
  ['https://shop.example/p?wbraid=1', true, 'a click id of a name of its own'],
  ['https://shop.example/p?li_fat_id=1', true, 'one more'],
  ['https://shop.example/p?utm_source=', false, 'an empty parameter'],
  ['https://shop.example/p?amt=1&sorted=mt', false, 'names that only end like one'],
];

for (const [url, want, what] of cases) {
  test(`${what} is ${want ? 'a new visit' : 'the same visit'}`, () => {
    assert.equal(isNewVisit(url, LANDING), want);
  });
}
