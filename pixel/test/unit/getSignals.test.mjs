import assert from 'node:assert/strict';
import { test } from 'node:test';

const { getSignals } = await import(`${process.env.PIXEL_BUILT}/getSignals.mjs`);

const cases = [
  [{}, undefined],
  [{ globalPrivacyControl: false, doNotTrack: null }, undefined],
  [{ doNotTrack: '0' }, undefined],
  [{ doNotTrack: 'unspecified' }, undefined],
  [{ globalPrivacyControl: true }, { gpc: true, dnt: undefined }],
  [{ doNotTrack: '1' }, { gpc: undefined, dnt: true }],
];

for (const [browser, want] of cases) {
  test(`a browser that says ${JSON.stringify(browser)}`, () => {
    Object.defineProperty(globalThis, 'navigator', { value: browser, configurable: true, writable: true });
    assert.deepEqual(getSignals(), want);
  });
}
