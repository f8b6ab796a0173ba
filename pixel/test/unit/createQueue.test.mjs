import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { fakeBrowser } from '../support/fakeBrowser.mjs';

const { createQueue } = await import(`${process.env.PIXEL_BUILT}/createQueue.mjs`);
const { createId } = await import(`${process.env.PIXEL_BUILT}/createId.mjs`);

let browser;
let count;
beforeEach(() => {
  browser = fakeBrowser();
  count = 0;
});
afterEach(() => browser.close());

/** A tab: its queue, the requests it made, and `answer`, which decides them ('hold': none until `settle`). */
function openTab({ mayKeep = () => true } = {}) {
  const tab = { requests: [], answer: 1, held: [] };
  tab.queue = createQueue((events, leaving, done) => {
    const ids = JSON.parse(`[${events}]`).map((e) => e.n);
    tab.requests.push({ ids, leaving });
    if (tab.answer === 'hold') {
      tab.held.push(done);
    } else {
      setTimeout(done, 1, tab.answer);
    }
  }, mayKeep);
  // Names of the queue's functions are shortened by the bundler: they come in the order in which they stand.
  const [add, flush, drain, release, forget] = Object.values(tab.queue);
  tab.add = (padding = '') => {
    const n = ++count;
    add(createId(Date.now(), new Uint8Array(20).fill(n >> 4, 1).fill(n, 0, 1)), JSON.stringify({ n, padding }));
    return n;
  };
  return Object.assign(tab, { flush, drain, release, forget, sent: () => tab.requests.flatMap((r) => r.ids) });
}

test('an event is kept until its request was answered', () => {
  const tab = openTab();
  tab.answer = 'hold';
  tab.add();
  assert.equal(browser.queued().length, 1);
  browser.pass(0);
  assert.deepEqual(tab.sent(), [1]);
  assert.equal(browser.queued().length, 1);
  tab.held[0](1);
  assert.equal(browser.queued().length, 0);
});

test('what happens at once goes at once, and what follows while it is under way goes together', () => {
  const tab = openTab();
  tab.answer = 'hold';
  tab.add();
  tab.add();
  browser.pass(0);
  tab.add();
  browser.pass(100);
  tab.add();
  browser.pass(150);
  assert.deepEqual(tab.requests.map((r) => r.ids), [[1, 2], [3, 4]]);
});

test('a failure is tried again, less and less often, and in the end arrives', () => {
  const tab = openTab();
  tab.answer = 0;
  tab.add();
  browser.pass(60_000);
  const tries = tab.requests.length;
  assert.ok(tries >= 5 && tries <= 9, `${tries} tries in a minute`);
  tab.answer = 1;
  browser.pass(60_000);
  assert.equal(tab.requests.length, tries + 1);
  assert.equal(browser.queued().length, 0);
});

test('a first failure after being online again is tried again soon, however long it was offline', () => {
  const tab = openTab();
  tab.answer = 0;
  tab.add();
  browser.pass(300_000);
  browser.fire('online');
  browser.pass(100);
  const tries = tab.requests.length;
  tab.answer = 1;
  browser.pass(2_000);
  assert.equal(tab.requests.length, tries + 1);
  assert.equal(browser.queued().length, 0);
});

test('being online again ends the wait', () => {
  const tab = openTab();
  tab.answer = 0;
  tab.add();
  browser.pass(60_000);
  tab.answer = 1;
  const tries = tab.requests.length;
  browser.fire('online');
  browser.pass(60); // the lease is read again after 50 ms
  assert.equal(tab.requests.length, tries + 1);
});

test('two tabs do not send a failed event twice', () => {
  const first = openTab();
  const second = openTab();
  first.answer = 0;
  first.add();
  browser.pass(20);
  first.answer = second.answer = 'hold';
  browser.fire('online');
  browser.pass(100);
  const before = first.requests.length + second.requests.length;
  browser.pass(15_000);
  assert.equal(first.requests.length + second.requests.length, before, 'while one tries, no other does');
  [...first.held, ...second.held][0](1);
  browser.pass(120_000);
  assert.equal(first.requests.length + second.requests.length, before, 'once it arrived, nobody tries');
});

test('what a page left goes with the next page, at once', () => {
  const first = openTab();
  first.answer = 'hold';
  first.add();
  first.flush(true);
  first.release();
  const second = openTab();
  second.drain();
  browser.pass(60);
  assert.deepEqual(second.sent(), [1]);
  assert.equal(browser.queued().length, 0);
});

test('what a killed page left goes with another once it is ten seconds old, and what a living page has just made does not', () => {
  const killed = openTab();
  killed.answer = 'hold';
  killed.add();
  browser.pass(5_000);
  const living = openTab();
  living.drain();
  browser.pass(1_000);
  assert.deepEqual(living.sent(), []);
  browser.pass(6_000);
  assert.deepEqual(living.sent(), [1]);
});

test('what is older than a week is thrown away', () => {
  const first = openTab();
  first.answer = 'hold';
  first.add();
  first.release();
  browser.pass(7 * 86_400_000 + 1);
  const second = openTab();
  second.drain();
  browser.pass(60);
  assert.deepEqual(second.sent(), []);
  assert.equal(browser.queued().length, 0);
});

test('no more than 256 KB are kept; the rest is sent all the same', () => {
  const tab = openTab();
  tab.answer = 0;
  for (let i = 0; i < 40; i++) {
    tab.add('x'.repeat(10_000));
  }
  const characters = browser.queued().reduce((sum, name) => sum + name.length + browser.kept.get(name).length, 0);
  assert.ok(characters > 240_000 && characters <= 262_144, `${characters} characters`);
  browser.pass(10);
  assert.equal(new Set(tab.sent()).size, 40);
  tab.answer = 1;
  browser.pass(600_000);
  assert.equal(browser.queued().length, 0);
});

test('a full storage loses nothing either', () => {
  browser.room.left = 0;
  const tab = openTab();
  tab.answer = 0;
  tab.add();
  browser.pass(10);
  tab.answer = 1;
  browser.pass(5_000);
  assert.equal(tab.requests.length, 2);
});

test('nothing is kept, and nothing kept is touched, where nothing may be', () => {
  const other = openTab();
  other.answer = 'hold';
  other.add();
  other.release();
  const tab = openTab({ mayKeep: () => false });
  tab.add();
  tab.drain();
  browser.pass(60);
  assert.deepEqual(tab.sent(), [2]);
  assert.equal(browser.queued().length, 1);
});

test('forgetting deletes what was not sent', () => {
  const tab = openTab();
  tab.answer = 0;
  tab.add();
  browser.pass(10);
  tab.answer = 1;
  tab.forget();
  browser.pass(60_000);
  assert.equal(tab.requests.length, 1);
  assert.equal(browser.queued().length, 0);
});

test('a leaving page sends again what failed, not what is under way', () => {
  const tab = openTab();
  tab.answer = 0;
  tab.add();
  browser.pass(10);
  tab.answer = 'hold';
  tab.add();
  browser.pass(0);
  tab.flush(true);
  assert.deepEqual(tab.requests.map((r) => [r.ids, r.leaving]), [[[1], false], [[2], false], [[1], true]]);
});

test('where fetch dies with the page, what is under way goes once more as well', () => {
  globalThis.Request = class {};
  const tab = openTab();
  tab.answer = 'hold';
  tab.add();
  browser.pass(0);
  tab.flush(true);
  assert.deepEqual(tab.sent(), [1, 1]);
});

test('requests stay small enough to outlive the page', () => {
  const tab = openTab();
  for (let i = 0; i < 50; i++) {
    tab.add('x'.repeat(1_000));
  }
  browser.pass(0);
  assert.ok(tab.requests.every((r) => r.ids.length <= 19));
  assert.deepEqual(tab.sent(), Array.from({ length: 50 }, (_, i) => i + 1));
});

test('where nothing may be kept, what failed is tried again without a lease', () => {
  const written = [];
  browser.kept.set = (name) => written.push(name);
  const tab = openTab({ mayKeep: () => false });
  tab.answer = 0;
  tab.drain();
  tab.add();
  browser.pass(3000);
  tab.answer = 1;
  browser.pass(10_000);
  assert.ok(tab.requests.length >= 2);
  assert.deepEqual(new Set(tab.sent()), new Set([1]));
  const { length } = tab.requests;
  browser.pass(60_000);
  assert.equal(tab.requests.length, length, 'what arrived is not sent again');
  assert.deepEqual(written, []);
});

test('a lease that a killed tab left does not hold for ever', () => {
  browser.kept.set('_tll', `${Date.now() + 30_000}.5`);
  const tab = openTab();
  tab.answer = 0;
  tab.add();
  browser.pass(1);
  tab.answer = 1;
  browser.pass(20_000);
  assert.equal(tab.requests.length, 1);
  browser.pass(40_000);
  assert.equal(tab.requests.length, 2);
});
