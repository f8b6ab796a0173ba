import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

const { readStored } = await import(`${process.env.PIXEL_BUILT}/readStored.mjs`);
const { writeStored } = await import(`${process.env.PIXEL_BUILT}/writeStored.mjs`);

/** A localStorage that works, or refuses every call as a browser with blocked storage does. */
function storage(refuses) {
  const kept = new Map();
  const guard = (work) => (...args) => {
    if (refuses) {
      throw new Error('SecurityError');
    }
    return work(...args);
  };
  return {
    getItem: guard((name) => kept.get(name) ?? null),
    setItem: guard((name, value) => kept.set(name, value)),
    removeItem: guard((name) => kept.delete(name)),
  };
}

/** A document.cookie that keeps names and values and drops what has max-age=0. */
function jar() {
  const kept = new Map();
  return {
    get cookie() {
      return [...kept].map(([name, value]) => `${name}=${value}`).join('; ');
    },
    set cookie(text) {
      const [, name, value] = /^([^=]*)=([^;]*)/.exec(text);
      /max-age=0\b/.test(text) ? kept.delete(name) : kept.set(name, value);
    },
  };
}

beforeEach(() => {
  globalThis.document = jar();
  globalThis.localStorage = storage(false);
});

test('a value is read back from localStorage and sets no cookie', () => {
  writeStored('_tl', 'd1');
  assert.equal(readStored('_tl'), 'd1');
  assert.equal(document.cookie, '');
});

test('where storage is refused the cookie keeps the value, whatever its letters', () => {
  globalThis.localStorage = storage(true);
  document.cookie = 'x_tl=other';
  writeStored('_tl', 'a;b =ø');
  assert.equal(readStored('_tl'), 'a;b =ø');
});

test('an empty value forgets the name in both', () => {
  globalThis.localStorage = storage(true);
  writeStored('_tl', 'd1');
  globalThis.localStorage = storage(false);
  writeStored('_tl', '');
  assert.equal(readStored('_tl'), undefined);
  assert.equal(document.cookie, '');
});

test('nothing kept is undefined, also where both are refused', () => {
  assert.equal(readStored('_tl'), undefined);
  globalThis.localStorage = storage(true);
  globalThis.document = undefined;
  writeStored('_tl', 'd1');
  assert.equal(readStored('_tl'), undefined);
});
