import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { openWorld, unique, until } from '../support/openWorld.mjs';

// What happens to events when the network, the server or the page fails. The
// assertions are on what arrived, each event once, as the edge keeps it.

let world;
before(async () => (world = await openWorld()));
beforeEach(() => world.reset());
after(() => world.close());

const kept = (page) => page.evaluate(() => Object.keys(localStorage).filter((name) => name.startsWith('_tlq')).length);
const track = (page, name) => page.evaluate((name) => window.touchline('track', name), name);
/** How often each event was sent, by name. */
const sendings = () => {
  const counts = {};
  for (const event of world.beacons.flatMap((beacon) => beacon.body.batch)) {
    counts[event.event || event.type] = (counts[event.event || event.type] || 0) + 1;
  }
  return counts;
};

test('an answered event is sent once and kept no longer', async () => {
  const visitor = await world.visit('/start');
  await track(visitor.page, 'x');
  await visitor.until((list) => list.length === 2, 'both events');
  await until(async () => (await kept(visitor.page)) === 0, 'empty queue');
  assert.deepEqual(sendings(), { page: 1, x: 1 });
});

test('events made offline arrive when the browser is online again', async () => {
  const visitor = await world.visit('/start');
  await visitor.until((list) => list.length === 1, 'page view');
  await visitor.context.setOffline(true);
  for (let n = 0; n < 5; n++) {
    await track(visitor.page, `n${n}`);
  }
  await until(async () => (await kept(visitor.page)) === 5, 'kept events');
  assert.equal(visitor.events().length, 1);
  await visitor.context.setOffline(false);
  const events = await visitor.until((list) => list.length === 6, 'the other events');
  const made = events.filter((e) => e.event).map((e) => Date.parse(e.timestamp));
  const sentAt = Date.parse(world.beacons.at(-1).body.sentAt);
  assert.ok(made.every((time) => time <= sentAt), 'an event keeps the time when it happened');
});

test('a server that answers 503 gets the event again, with the same id', async () => {
  let refusals = 2;
  world.behaviour.status = () => (refusals-- > 0 ? 503 : 200);
  const visitor = await world.visit('/start');
  await visitor.until((list) => list.length === 1, 'page view');
  assert.equal(new Set(world.beacons.map((beacon) => beacon.body.batch[0].messageId)).size, 1);
  assert.equal(world.beacons.length, 3);
});

test('a third of all requests refused costs nothing', async () => {
  let n = 0;
  world.behaviour.status = () => (n++ % 3 === 0 ? 503 : 200);
  const visitor = await world.visit('/start');
  for (let i = 0; i < 30; i++) {
    await track(visitor.page, `n${i}`);
  }
  await visitor.until((list) => list.length === 31, 'all events');
  assert.equal(new Set(visitor.events().map((e) => e.event || e.type)).size, 31);
});

test('a request that the server refuses for good is not repeated', async () => {
  world.behaviour.status = 400;
  const visitor = await world.visit('/start');
  await until(() => world.beacons.length === 1, 'request');
  await until(async () => (await kept(visitor.page)) === 0, 'empty queue');
  world.behaviour.status = 200;
  await track(visitor.page, 'x');
  await visitor.until((list) => list.length === 1, 'later event');
  assert.deepEqual(sendings(), { page: 1, x: 1 });
});

test('what could not be sent goes after a reload', async () => {
  world.behaviour.down = true;
  const visitor = await world.visit('/start');
  await track(visitor.page, 'x');
  await until(async () => (await kept(visitor.page)) === 2, 'kept events');
  world.behaviour.down = false;
  await visitor.page.reload();
  const events = await visitor.until((list) => list.length === 3, 'events of both loads');
  assert.deepEqual(events.map((e) => e.event || e.type).sort(), ['page', 'page', 'x']);
  assert.equal(new Set(events.map((e) => e.anonymousId)).size, 1);
});

test('a click that leaves the page is not lost, even when the server refuses its request', async () => {
  const visitor = await world.visit('/start');
  await visitor.until((list) => list.length === 1, 'page view');
  world.setPage('/next');
  let refused = 0;
  world.behaviour.status = (beacon) => (beacon.body.batch.some((e) => e.event === 'leave') && refused++ < 1 ? 503 : 200);
  await visitor.page.evaluate(() => {
    window.touchline('track', 'leave');
    location.href = '/next';
  });
  await visitor.until((list) => list.some((e) => e.event === 'leave'), 'event of the page that was left');
  assert.equal(unique(world.beacons).filter((e) => e.event === 'leave').length, 1);
});

test('a tab closed right after a click loses nothing', async () => {
  const visitor = await world.visit('/start');
  await visitor.until((list) => list.length === 1, 'page view');
  await track(visitor.page, 'last');
  await visitor.page.close({ runBeforeUnload: false });
  await visitor.until((list) => list.some((e) => e.event === 'last'), 'event of the closed tab');
});

test('what a crashed tab left is sent by the next one', async () => {
  world.behaviour.down = true;
  const visitor = await world.visit('/start');
  await until(async () => (await kept(visitor.page)) === 1, 'kept event');
  const session = await visitor.context.newCDPSession(visitor.page);
  session.send('Page.crash').catch(() => {});
  await new Promise((resolve) => visitor.page.once('crash', resolve));
  world.behaviour.down = false;
  await world.open(visitor.context, '/start');
  const events = await visitor.until((list) => list.length === 2, 'page views of both tabs');
  assert.equal(new Set(events.map((e) => e.anonymousId)).size, 1);
});

test('200 rapid clicks arrive, each once, in few requests', async () => {
  const visitor = await world.visit('/start', { body: '<button data-tl-event="tap">tap</button>' });
  await visitor.until((list) => list.length === 1, 'page view');
  world.behaviour.delay = 250; // A click is sent at once when no request is under way: then every quick answer would cost one.
  const took = await visitor.page.evaluate(async () => {
    const begun = performance.now();
    for (let n = 0; n < 200; n++) {
      document.querySelector('button').click();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return performance.now() - begun;
  });
  await visitor.until((list) => list.length === 201, 'all clicks');
  assert.equal(world.beacons.flatMap((beacon) => beacon.body.batch).length, 201, 'sent once each');
  // One each 250 ms while others are under way, and some more as a request has room for some 40.
  assert.ok(world.beacons.length < 20 + took / 250, `${world.beacons.length} requests in ${took} ms`);
});

for (const [how, before] of [
  ['Web Locks', undefined],
  ['the lease', () => Object.defineProperty(navigator, 'locks', { value: undefined })],
]) {
  test(`two tabs do not send what failed twice, by ${how}`, async () => {
    world.behaviour.down = true;
    const visitor = await world.visit('/start', { before });
    await track(visitor.page, 'first');
    const other = await world.open(visitor.context, '/start', { before });
    await track(other.page, 'second');
    await until(async () => (await kept(other.page)) === 4, 'kept events');
    world.behaviour.down = false;
    world.behaviour.delay = 300;
    const online = (page) => page.evaluate(() => void dispatchEvent(new Event('online')));
    if (before) {
      // Who takes a lease at the same time is told apart after 50 ms; a renderer that stalls for longer is not.
      await other.page.evaluate(() => addEventListener('storage', ({ key, newValue }) => key === '_tll' && newValue && dispatchEvent(new Event('online'))));
    }
    await Promise.all((before ? [visitor.page] : [visitor.page, other.page]).map(online));
    await visitor.until((list) => list.length === 4, 'events of both tabs');
    await until(async () => (await kept(other.page)) === 0, 'empty queue');
    assert.deepEqual(sendings(), { page: 2, first: 1, second: 1 });
  });
}

test('a full localStorage costs neither events nor the page', async () => {
  const visitor = await world.visit('/start', {
    before: () => {
      let size = 5_000_000;
      for (let n = 0; size > 0; n++) {
        try {
          localStorage.setItem(`fill${n}`, 'x'.repeat(size));
        } catch {
          size = Math.floor(size / 2);
        }
      }
    },
  });
  world.behaviour.status = (() => {
    let n = 0;
    return () => (n++ ? 200 : 503);
  })();
  await track(visitor.page, 'x');
  await visitor.until((list) => list.length === 2, 'both events');
  await visitor.page.reload();
  const events = await visitor.until((list) => list.length === 3, 'second page view');
  assert.equal(new Set(events.map((e) => e.anonymousId)).size, 1, 'a cookie keeps the device');
  assert.deepEqual(visitor.faults, []);
});

test('a visitor with a wrong clock is believed about intervals: sentAt is wrong by as much', async () => {
  const visitor = await world.visit('/start', {
    before: () => {
      const { now } = Date;
      const Real = Date;
      window.Date = class extends Real {
        constructor(...args) {
          args.length ? super(...args) : super(now() + 86_400_000);
        }
        static now() {
          return now() + 86_400_000;
        }
      };
    },
  });
  const [event] = await visitor.exactly(1);
  const [{ body, at }] = world.beacons;
  assert.ok(Math.abs(Date.parse(body.sentAt) - at - 86_400_000) < 30_000);
  assert.ok(Math.abs(Date.parse(event.timestamp) - Date.parse(body.sentAt)) < 30_000);
});

test('a server that does not allow cookies to a page still gets its events', async () => {
  world.behaviour.strict = true;
  const visitor = await world.visit('/start', { attributes: 'data-cookie="include"' });
  await track(visitor.page, 'x');
  await until(async () => (await kept(visitor.page)) === 0, 'empty queue');
  assert.equal(visitor.events().length, 2);
});
