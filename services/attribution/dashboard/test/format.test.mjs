import assert from "node:assert/strict";
import { test } from "node:test";

import { addDecimals, dayStart, lag, percent, words } from "../static/format.js";
import { balanced } from "../static/books.js";

test("amounts are added exactly", () => {
  assert.equal(addDecimals("0.1", "0.2"), "0.3");
  assert.equal(addDecimals("9007199254740993.01", "0.99"), "9007199254740994.00");
  assert.equal(addDecimals("10", "-10.50"), "-0.50");
  assert.equal(addDecimals("-0.5", "0.50"), "0.00");
  assert.equal(addDecimals("0", "12"), "12");
});

test("a day begins where its time zone says", () => {
  assert.equal(dayStart("2026-11-20", "UTC"), "2026-11-20T00:00:00.000Z");
  assert.equal(dayStart("2026-11-20", "Europe/Oslo"), "2026-11-19T23:00:00.000Z");
  assert.equal(dayStart("2026-11-20", "Asia/Kolkata"), "2026-11-19T18:30:00.000Z");
  assert.equal(dayStart("2026-11-30", "America/New_York", 1), "2026-12-01T05:00:00.000Z");
});

test("a day begins right when the clocks change that night or the day before", () => {
  assert.equal(dayStart("2026-03-29", "Europe/Oslo"), "2026-03-28T23:00:00.000Z");
  assert.equal(dayStart("2026-03-29", "Europe/Oslo", 1), "2026-03-29T22:00:00.000Z");
  assert.equal(dayStart("2026-10-25", "Europe/Oslo", 1), "2026-10-25T23:00:00.000Z");
});

test("ages are written in two units", () => {
  assert.equal(lag(null), "–");
  assert.equal(lag(0.4), "0 s");
  assert.equal(lag(59), "59 s");
  assert.equal(lag(3600), "1 h");
  assert.equal(lag(90061), "1 d 1 h");
});

test("shares without a whole are empty", () => {
  assert.equal(percent(1, 0), "");
  assert.equal(words("last_touch"), "last touch");
});

test("the books say when they do not balance, and by how much", () => {
  const books = { accepted: 10, stored: 5, duplicate: 2, conflict: 1, rejected: 1, pending: 1 };
  assert.deepEqual(balanced(books), { good: true, text: "The books balance. The table is being brought up to date." });
  assert.equal(balanced({ ...books, pending: 0 }).good, false);
  assert.match(balanced({ ...books, pending: 0 }).text, /1 item is accepted and nowhere/);
  assert.match(balanced({ ...books, stored: 7 }).text, /2 items are counted and never accepted/);
});
