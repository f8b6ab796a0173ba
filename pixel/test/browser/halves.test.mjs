import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { openWorld } from '../support/openWorld.mjs';

// The script begins in two halves: it listens at once, and reads, writes and sends in
// the task after. `behaviour.after` is what the page does in between.

let world;
before(async () => (world = await openWorld()));
beforeEach(() => world.reset());
after(() => world.close());

/** Counts what costs time or tells something of the visitor; `window.touched` lists it. */
const COUNT = () => {
  window.touched = [];
  const watch = (owner, name, kind) => {
    const own = Object.getOwnPropertyDescriptor(owner, name);
    const real = own[kind];
    own[kind] = function (...args) {
      window.touched.push(name);
      return real.apply(this, args);
    };
    Object.defineProperty(owner, name, own);
  };
  for (const name of ['getItem', 'setItem', 'removeItem']) {
    watch(Storage.prototype, name, 'value');
  }
  watch(window, 'localStorage', 'get');
  watch(Document.prototype, 'cookie', 'get');
  watch(Document.prototype, 'cookie', 'set');
  watch(Crypto.prototype, 'getRandomValues', 'value');
  watch(LockManager.prototype, 'request', 'value');
  watch(Document.prototype, 'querySelectorAll', 'value');
  watch(window, 'fetch', 'value');
};
const ALL = 'domains,forms,ga4,gcm,links,tcf';

test('the first half touches neither storage nor network', async () => {
  world.behaviour.after = 'window.first = touched.slice()';
  const visitor = await world.visit('/start?mt=tk1', { before: COUNT, use: ALL, attributes: 'data-domains="shop.example"' });
  assert.deepEqual(await visitor.page.evaluate(() => window.first), []);
  await visitor.exactly(1);
  assert.ok((await visitor.page.evaluate(() => window.touched)).includes('fetch'), 'the watch sees what is touched');
});

test('no run of the script has the page laid out, or its styles computed', async () => {
  const visitor = await world.visit('/blank');
  world.setPage('/start', { use: ALL, body: Array.from({ length: 200 }, (_, n) => `<p>It is number ${n}.</p>`).join('') + '<button data-tl-event="tap">tap</button>' });
  let taps = 0;
  const own = async (after) => {
    world.behaviour.after = after;
    const before = taps++;
    await world.browser.startTracing(visitor.page, { categories: ['devtools.timeline'] });
    await visitor.page.goto(`${world.shopURL}/start?mt=tk1`);
    await visitor.page.evaluate(() => document.querySelector('button').click());
    await visitor.until((list) => list.filter((e) => e.event === 'tap').length > before, 'the click');
    const { traceEvents } = JSON.parse(`${await world.browser.stopTracing()}`);
    const runs = traceEvents.filter((e) => ['EvaluateScript', 'FunctionCall'].includes(e.name) && e.args.data?.url?.includes('/p.js'));
    assert.ok(runs.length > 2, `${runs.length} runs of the script`);
    return traceEvents.filter((e) => ['Layout', 'UpdateLayoutTree'].includes(e.name) && runs.some((r) => r.tid === e.tid && e.ts >= r.ts && e.ts < r.ts + r.dur));
  };
  assert.deepEqual(await own(''), []);
  // The page may have been laid out already when the script comes: a change makes it need that again.
  assert.ok((await own(`document.body.append('more'); document.body.offsetHeight`)).length > 0, 'a layout would be seen');
});

test('the click token has left the address bar when the next script runs', async () => {
  world.behaviour.after = 'window.first = location.href';
  const visitor = await world.visit('/start?a=1&mt=tk1#x');
  const [view] = await visitor.exactly(1);
  assert.equal(await visitor.page.evaluate(() => window.first), `${world.shopURL}/start?a=1#x`);
  assert.equal(view.properties.url, `${world.shopURL}/start?a=1&mt=tk1#x`);
  assert.equal(view.properties.session.landing, `${world.shopURL}/start?a=1&mt=tk1#x`);
});

const away = `;location.href = '/away';`;

for (const [what, code, use, names] of [
  ['the view', '', '', ['page']],
  ['a call', `touchline('track', 'x')`, '', ['page', 'x']],
  ['a click', `document.querySelector('button').click()`, '', ['page', 'tap']],
  ["a module's event", `addEventListener('click', (e) => e.preventDefault()); document.querySelector('#out').click()`, 'links', ['page', 'Outbound Link Clicked']],
]) {
  test(`${what} in between is not lost, though the page leaves in the same task`, async () => {
    world.setPage('/away', { tag: '' });
    world.behaviour.after = code + away;
    const body = '<button data-tl-event="tap">tap</button><a id="out" href="https://partner.example/">out</a>';
    const visitor = await world.visit('/start', { use, body });
    const events = await visitor.until((list) => list.length >= names.length, 'all of it');
    assert.deepEqual(events.map((e) => e.event || e.type), names);
  });
}

test('a page that goes in between has kept and sent its view before it is gone', async () => {
  world.behaviour.after = `dispatchEvent(new Event('pagehide')); window.first = Object.keys(localStorage).filter((name) => name.startsWith('_tlq')).map((name) => localStorage[name][0])`;
  const visitor = await world.visit('/start');
  assert.deepEqual(await visitor.page.evaluate(() => window.first), [' '], 'kept, and free for the next page');
  await visitor.exactly(1);
});

test('a page that goes in between with what is no call in its queue has sent all the rest', async () => {
  const head = `<script>window.touchline = function () { touchline.q.push(arguments) }; touchline.q = ['x', ['track', 'early']]</script>`;
  world.behaviour.after = `dispatchEvent(new Event('pagehide')); window.first = Object.keys(localStorage).filter((name) => name.startsWith('_tlq')).map((name) => localStorage[name][0])`;
  const visitor = await world.visit('/start', { head });
  assert.deepEqual(await visitor.page.evaluate(() => window.first), [' ', ' '], 'kept, and free for the next page');
  await visitor.exactly(2);
});

test('a navigation in between is one more view, and the first is of the first address', async () => {
  world.behaviour.after = `history.pushState({}, '', '/other?a=1'); touchline('track', 'x')`;
  const visitor = await world.visit('/start?mt=tk1');
  const events = await visitor.exactly(3);
  const { shopURL } = world;
  assert.deepEqual(events.map((e) => [e.event || e.type, e.properties.url, e.properties.referrer]), [
    ['page', `${shopURL}/start?mt=tk1`, ''],
    ['page', `${shopURL}/other?a=1`, `${shopURL}/start`],
    ['x', `${shopURL}/other?a=1`, `${shopURL}/start`],
  ]);
});

for (const name of ['pushState', 'replaceState']) {
  test(`what waited for the second half is of the first address, when ${name} comes in between`, async () => {
    const head = `<script>
      window.touchline = function () { (touchline.q = touchline.q || []).push(arguments) };
      touchline('track', 'early');
      dataLayer = [{ event: 'add_to_cart', ecommerce: {} }];
    </script>`;
    world.behaviour.after = `history.${name}({}, '', '/home')`;
    const visitor = await world.visit('/start', { head, use: 'ga4', body: '<i data-tl-purchase="o1"></i>' });
    const events = await visitor.exactly(5);
    const { shopURL } = world;
    assert.deepEqual(events.map((e) => [e.event || e.type, e.properties.url]), [
      ['page', `${shopURL}/start`],
      ['early', `${shopURL}/start`],
      ['Product Added', `${shopURL}/start`],
      ['Order Completed', `${shopURL}/start`],
      ['page', `${shopURL}/home`],
    ]);
  });
}

test('a router that writes the address again in between makes no second view, and brings no token back', async () => {
  world.behaviour.after = `history.replaceState({key: 1}, '', location.pathname + location.search + location.hash)`;
  const visitor = await world.visit('/start?a=1&mt=tk1');
  await visitor.exactly(1);
  assert.equal(visitor.page.url(), `${world.shopURL}/start?a=1`);
});

test('what is replaced in between is not used', async () => {
  world.behaviour.after = `
    const steal = (first, second) => { document.title += ' stolen ' + first + (second && (second.body || second)); throw new Error('stolen') };
    window.fetch = window.XMLHttpRequest = navigator.sendBeacon = JSON.stringify = JSON.parse = window.Request = steal;
    Object.keys = Array.isArray = Object.getPrototypeOf = Array.prototype.push = Array.prototype.join = steal;
    history.replaceState = history.pushState = window.addEventListener = steal;
    Object.defineProperty(Object.prototype, 'toJSON', { value: steal });
    touchline('track', 'x', { secret: 's3cret', list: [1] });
    dispatchEvent(new Event('pagehide')); // goes by sendBeacon, since Request is broken
    touchline('track', 'y', { secret: 's3cret' });`;
  const visitor = await world.visit('/start?mt=tk1');
  const events = await visitor.until((list) => list.length === 3, 'all events');
  assert.deepEqual(events.map((e) => e.event || e.type).sort(), ['page', 'x', 'y']);
  const { properties } = events.find((e) => e.event === 'x');
  assert.deepEqual([properties.secret, properties.list], ['s3cret', [1]]);
  assert.ok(!(await visitor.page.title()).includes('s3cret'));
});

test('calls of the stub come after the view, and before those in between', async () => {
  const head = `<script>window.touchline = function () { (touchline.q = touchline.q || []).push(arguments) }; touchline('track', 'early')</script>`;
  world.behaviour.after = `touchline('track', 'between'); document.querySelector('button').click()`;
  const visitor = await world.visit('/start', { head, body: '<button data-tl-event="tap">tap</button>' });
  const events = await visitor.exactly(4);
  assert.deepEqual(events.map((e) => e.event || e.type), ['page', 'early', 'between', 'tap']);
});
