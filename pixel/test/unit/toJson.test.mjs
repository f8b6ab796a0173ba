import assert from 'node:assert/strict';
import { test } from 'node:test';

const { toJson } = await import(`${process.env.PIXEL_BUILT}/toJson.mjs`);

class Decimal {
  toJSON() {
    return '19.90';
  }
}

const values = [
  '', 'a"b\\c', 'a\u0000\u001f\n\t\u2028', 'ø 😀', 0, -0, 1.5, 1e21, 1e-7, NaN, Infinity, true, false, null,
  [], [1, undefined, () => {}, Symbol('x'), [null]], {}, { a: undefined, b: () => {}, c: { 'd"': [{}] } },
  new Date(0), { at: new Date(1e12), price: new Decimal() }, Object.create(null), { ['__proto__']: 1, constructor: 'x' },
];

test('every value is written as JSON.stringify writes it', () => {
  for (const value of values) {
    const text = toJson(value);
    assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)), `${text}`);
  }
});

test('what JSON has no word for is undefined', () => {
  for (const value of [undefined, () => {}, Symbol('x'), 5n]) {
    assert.equal(toJson(value), undefined);
  }
});

test('a toJSON that a library gave to everything is not asked', () => {
  const plain = { list: ['a', { b: 1 }], text: 'c' };
  const want = JSON.stringify(plain);
  Object.prototype.toJSON = Array.prototype.toJSON = String.prototype.toJSON = () => 'broken';
  try {
    assert.equal(toJson(plain), want);
  } finally {
    delete Object.prototype.toJSON;
    delete Array.prototype.toJSON;
    delete String.prototype.toJSON;
  }
});

test('inherited properties are not written, and a circle throws', () => {
  assert.equal(toJson(Object.create({ inherited: 1 }, { own: { value: 2, enumerable: true } })), '{"own":2}');
  const circle = {};
  circle.circle = circle;
  assert.throws(() => toJson(circle), RangeError);
});
