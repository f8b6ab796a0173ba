import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { openWorld } from '../support/openWorld.mjs';

const STUB =
  '<script>window.touchline = window.touchline || function () { (touchline.q = touchline.q || []).push(arguments) }</script>';
const UUID7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let world;
before(async () => (world = await openWorld()));
beforeEach(() => world.reset());
after(() => world.close());

test('a load sends one page view, as plain text that needs no preflight', async () => {
  const visitor = await world.visit('/start?utm_source=x', { referer: 'https://search.example/' });
  const [event] = await visitor.exactly(1);
  const [beacon] = world.beacons;
  assert.equal(beacon.path, '/e');
  assert.match(beacon.headers['content-type'], /^text\/plain/);
  assert.equal(beacon.body.writeKey, world.current.key);
  assert.ok(Math.abs(Date.parse(beacon.body.sentAt) - Date.now()) < 60_000);
  assert.equal(event.type, 'page');
  assert.match(event.messageId, UUID7);
  assert.match(event.anonymousId, UUID7);
  assert.equal(event.userId, undefined);
  assert.ok(Date.parse(event.timestamp) <= Date.parse(beacon.body.sentAt));
  const { session, ...page } = event.properties;
  assert.deepEqual(page, {
    url: `${world.shopURL}/start?utm_source=x`,
    referrer: 'https://search.example/',
    title: 'Shop',
  });
  assert.match(session.id, UUID7);
  assert.deepEqual(session, { id: session.id, landing: page.url, referrer: page.referrer });
  assert.equal(event.consent, 'unknown');
  assert.equal(event.signals, undefined);
  assert.equal(event.device, 'new');
  assert.deepEqual(visitor.faults, []);
});

test('the device id lasts over pages, and every event has an id of its own', async () => {
  const visitor = await world.visit('/start');
  await visitor.until((list) => list.length === 1, 'first page view');
  await visitor.page.reload();
  const events = await visitor.until((list) => list.length === 2, 'second page view');
  assert.equal(events[0].anonymousId, events[1].anonymousId);
  assert.notEqual(events[0].messageId, events[1].messageId);
});

test('a soft navigation is one page view, and none where path and query stay', async () => {
  const visitor = await world.visit('/start');
  await visitor.page.evaluate(() => {
    history.pushState({}, '', '/cart?step=1');
    history.replaceState({}, '', '/cart?step=1');
    history.replaceState({}, '', '/cart?step=1#top');
    history.replaceState({}, '', '/cart?step=2');
  });
  await visitor.page.goBack();
  const events = await visitor.exactly(4);
  const { shopURL } = world;
  assert.deepEqual(
    events.map((e) => [e.type, e.properties.url, e.properties.referrer]),
    [
      ['page', `${shopURL}/start`, ''],
      ['page', `${shopURL}/cart?step=1`, `${shopURL}/start`],
      ['page', `${shopURL}/cart?step=2`, `${shopURL}/cart?step=1#top`],
      ['page', `${shopURL}/start`, `${shopURL}/cart?step=2`],
    ],
  );
});

test('track carries name, page and properties', async () => {
  const visitor = await world.visit('/start');
  await visitor.page.evaluate(() => window.touchline('track', 'Order Completed', { order_id: 'o1', total: 19.9 }));
  const [, order] = await visitor.exactly(2);
  assert.equal(order.type, 'track');
  assert.equal(order.event, 'Order Completed');
  assert.equal(order.properties.order_id, 'o1');
  assert.equal(order.properties.total, 19.9);
  assert.equal(order.properties.url, `${world.shopURL}/start`);
});

test('identify is remembered on later events and pages, until reset', async () => {
  const visitor = await world.visit('/start');
  await visitor.page.evaluate(() => window.touchline('identify', 7, { phone: '+4790000001' }));
  const [, identify] = await visitor.until((list) => list.length === 2, 'identify');
  assert.equal(identify.type, 'identify');
  assert.equal(identify.userId, '7');
  assert.deepEqual(identify.traits, { phone: '+4790000001' });
  await visitor.page.reload();
  const [, , later] = await visitor.until((list) => list.length === 3, 'page view after identify');
  assert.equal(later.userId, '7');
  await visitor.page.evaluate(() => {
    window.touchline('reset');
    window.touchline('track', 'browse');
  });
  const [, , , other] = await visitor.exactly(4);
  assert.equal(other.userId, undefined);
  assert.notEqual(other.anonymousId, later.anonymousId);
});

test('identify without an id of the site states the traits alone', async () => {
  const visitor = await world.visit('/start');
  await visitor.page.evaluate(() => window.touchline('identify', { email: 'a@example.com' }));
  const [, identify] = await visitor.exactly(2);
  assert.equal(identify.userId, undefined);
  assert.deepEqual(identify.traits, { email: 'a@example.com' });
});

test('the click token is sent with its page view, once, and leaves the address bar', async () => {
  const visitor = await world.visit('/start?a=%20&mt=tk1&b=2#x');
  await visitor.page.evaluate(() => window.touchline('track', 'later'));
  const [view, later] = await visitor.exactly(2);
  assert.equal(view.properties.url, `${world.shopURL}/start?a=%20&mt=tk1&b=2#x`);
  assert.equal(later.properties.url, `${world.shopURL}/start?a=%20&b=2#x`);
  assert.equal(visitor.page.url(), `${world.shopURL}/start?a=%20&b=2#x`);
});

test('data-keep-token leaves the address bar alone', async () => {
  const visitor = await world.visit('/start?mt=tk1', { attributes: 'data-keep-token' });
  await visitor.exactly(1);
  assert.equal(visitor.page.url(), `${world.shopURL}/start?mt=tk1`);
});

test('calls made before the script arrived are sent in order, and the stub goes on working', async () => {
  const head = `${STUB}<script>window.kept = touchline; touchline('track', 'early'); touchline('identify', 'u1')</script>`;
  const visitor = await world.visit('/start', { head });
  await visitor.page.evaluate(() => window.kept('track', 'late'));
  const events = await visitor.exactly(4);
  assert.deepEqual(
    events.map((e) => [e.type, e.event, e.userId]),
    [
      ['page', undefined, undefined],
      ['track', 'early', undefined],
      ['identify', undefined, 'u1'],
      ['track', 'late', 'u1'],
    ],
  );
});

for (const [how, break_] of [
  ['throws', () => (window.fetch = () => { throw new Error('no'); })],
  ['is missing', () => (window.fetch = undefined)],
]) {
  test(`sendBeacon sends where fetch ${how}`, async () => {
    const visitor = await world.visit('/start', { before: break_ });
    const [event] = await visitor.exactly(1);
    assert.equal(event.type, 'page');
    assert.match(world.beacons[0].headers['content-type'], /^text\/plain/);
  });
}

test('an event is not lost when the visitor leaves at once', async () => {
  const visitor = await world.visit('/start');
  await visitor.until((list) => list.length === 1, 'page view');
  world.pages.set('/away', () => ({ html: 'bye' }));
  await visitor.page.evaluate(() => {
    window.touchline('track', 'outbound');
    location.href = '/away';
  });
  await visitor.until((list) => list.some((e) => e.event === 'outbound'), 'event of the page that was left');
});

test('many events go in several requests, each event once and in order', async () => {
  const visitor = await world.visit('/start');
  await visitor.page.evaluate(() => {
    for (let n = 0; n < 45; n++) {
      window.touchline('track', `n${n}`);
    }
  });
  // Requests run side by side, so all must be in before the closing event is asked for.
  await visitor.until((list) => list.length >= 46, 'all events');
  const events = await visitor.exactly(46);
  const names = events.filter((e) => e.event).map((e) => e.event);
  assert.deepEqual([...names].sort(), Array.from({ length: 45 }, (_, n) => `n${n}`).sort());
  assert.ok(world.beacons.every((beacon) => JSON.stringify(beacon.body.batch).length <= 20_000));
});

test('a call that makes no sense harms neither the page nor other events', async () => {
  const visitor = await world.visit('/start');
  await visitor.page.evaluate(() => {
    const circle = {};
    circle.circle = circle;
    window.touchline('track', 'circle', circle);
    window.touchline('nonsense');
    window.touchline();
  });
  await visitor.exactly(1);
  assert.deepEqual(visitor.faults, []);
});

test('blocked storage costs neither events nor the page', async () => {
  const visitor = await world.visit('/start', {
    before: () => Object.defineProperty(window, 'localStorage', { get: () => { throw new Error('SecurityError'); } }),
  });
  await visitor.until((list) => list.length === 1, 'page view');
  await visitor.page.reload();
  const events = await visitor.until((list) => list.length === 2, 'second page view');
  assert.equal(events[0].anonymousId, events[1].anonymousId, 'the cookie keeps the device');
  assert.deepEqual(visitor.faults, []);
});

test('the tag twice counts once', async () => {
  const visitor = await world.visit('/start', { head: (snippet) => snippet });
  await visitor.exactly(1);
});

test('data-disabled sends nothing and leaves the function callable', async () => {
  const visitor = await world.visit('/start', { attributes: 'data-disabled' });
  await visitor.page.evaluate(() => window.touchline('track', 'x'));
  await visitor.page.goto('about:blank');
  assert.deepEqual(visitor.events(), []);
  assert.deepEqual(visitor.faults, []);
});

test('data-endpoint may be a path of the site itself', async () => {
  const visitor = await world.visit('/start', { attributes: 'data-endpoint="/own/e"' });
  const request = await visitor.page.evaluate(
    () =>
      new Promise((resolve) => {
        new PerformanceObserver((list) => resolve(list.getEntries()[0].name)).observe({ type: 'resource' });
        window.touchline('track', 'x');
      }),
  );
  assert.equal(request, `${world.shopURL}/own/e`);
});

test('a page rendered ahead counts when it is shown, with the calls it made meanwhile', async () => {
  const visitor = await world.visit('/start', {
    head: `${STUB}<script>touchline('track', 'ahead')</script>`,
    before: () => {
      let ahead = true;
      Object.defineProperty(document, 'prerendering', { get: () => ahead });
      window.show = () => {
        ahead = false;
        document.dispatchEvent(new Event('prerenderingchange'));
      };
    },
  });
  assert.equal(await visitor.page.evaluate(() => localStorage.length), 0);
  assert.deepEqual(visitor.events(), []);
  await visitor.page.evaluate(() => window.show());
  const events = await visitor.exactly(2);
  assert.deepEqual(events.map((e) => e.event || e.type), ['page', 'ahead']);
});

test('a page restored from the back/forward cache counts again, without the token', async () => {
  const visitor = await world.visit('/start?mt=tk1');
  await visitor.until((list) => list.length === 1, 'page view');
  await visitor.page.evaluate(() => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })));
  const events = await visitor.exactly(2);
  assert.equal(events[1].properties.url, `${world.shopURL}/start`);
});
