import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { openWorld, until } from '../support/openWorld.mjs';

// The page around the pixel: navigation of every kind, security policies, hostile code.

let world;
before(async () => (world = await openWorld()));
beforeEach(() => world.reset());
after(() => world.close());

const track = (page, name, properties) => page.evaluate(([name, properties]) => window.touchline('track', name, properties), [name, properties]);

test('with data-hash, hash routing counts as navigation', async () => {
  const visitor = await world.visit('/start#/a', { attributes: 'data-hash', body: '<a href="#/b">b</a>' });
  await visitor.page.click('a');
  await visitor.page.evaluate(() => (location.hash = '#/c'));
  await visitor.page.goBack();
  const events = await visitor.exactly(4);
  assert.deepEqual(events.map((e) => new URL(e.properties.url).hash), ['#/a', '#/b', '#/c', '#/b']);
});

test('without it, the hash is no navigation', async () => {
  const visitor = await world.visit('/start#/a', { body: '<a href="#/b">b</a>' });
  await visitor.page.click('a');
  await visitor.exactly(1);
});

test('a router that pushes and then replaces the same address counts once', async () => {
  const visitor = await world.visit('/start');
  await visitor.page.evaluate(() => {
    history.replaceState({ scroll: 1 }, '');
    history.pushState({}, '', '/a');
    history.replaceState({ key: 1 }, '', '/a');
  });
  const events = await visitor.exactly(2);
  assert.deepEqual(events.map((e) => new URL(e.properties.url).pathname), ['/start', '/a']);
});

test('the back/forward cache: the page is kept, and counts again when it comes back', async () => {
  const visitor = await world.visit('/start?mt=tk1');
  await visitor.until((list) => list.length === 1, 'page view');
  const kept = () => visitor.page.evaluate(() => Object.keys(localStorage).filter((name) => name.startsWith('_tlq')).length);
  await until(async () => (await kept()) === 0, 'answer to it'); // A request under way may keep a page out of the cache.
  world.pages.set('/away', () => ({ html: 'away' }));
  await visitor.page.evaluate(() => {
    window.sameDocument = true;
    addEventListener('pageshow', (e) => (window.restored = e.persisted));
  });
  await visitor.page.goto(`${world.shopURL}/away`);
  await visitor.page.goBack({ waitUntil: 'commit' });
  await visitor.page.waitForFunction(() => window.restored !== undefined).catch(() => {});
  assert.equal(await visitor.page.evaluate(() => window.restored && window.sameDocument), true, 'the pixel must not keep a page out of the cache');
  const events = await visitor.until((list) => list.length === 2, 'second view');
  assert.equal(events[1].properties.url, `${world.shopURL}/start`);
});

test('a page that the browser renders ahead counts when it is opened, not before', async () => {
  const rules = '<script type="speculationrules">{"prerender": [{"source": "list", "urls": ["/ahead"], "eagerness": "immediate"}]}</script>';
  world.setPage('/ahead', { body: '<script>touchline = function () { (touchline.q = touchline.q || []).push(arguments) }; touchline("track", "ahead")</script>' });
  const visitor = await world.visit('/start', { head: rules });
  const requests = () => world.asked.filter(({ path }) => path === '/ahead');
  await until(() => requests().length === 1, 'rendering ahead');
  assert.match(requests()[0].purpose, /prerender/);
  await visitor.page.waitForTimeout(1000); // it has run by now, and must not have sent anything
  await visitor.exactly(1);
  await visitor.page.evaluate(() => void (location.href = '/ahead'));
  const events = await visitor.until((list) => list.filter((e) => e.properties.url.endsWith('/ahead')).length >= 2, 'events of the page');
  assert.deepEqual(events.slice(2).map((e) => e.event || e.type), ['page', 'ahead']);
  assert.equal(requests().length, 1, 'what was rendered ahead is what was shown');
});

const STRICT = (trackingURL) => ({
  'content-security-policy': `default-src 'none'; script-src ${trackingURL}; connect-src ${trackingURL}; require-trusted-types-for 'script'; trusted-types 'none'`,
});

test('a strict content security policy and Trusted Types get in the way of nothing', async () => {
  const visitor = await world.visit('/start?mt=tk1', {
    use: 'domains,forms,ga4,gcm,links',
    headers: STRICT(world.trackingURL),
    body: '<button data-tl-event="tap">tap</button><form id="f"><input name="a"></form><a href="https://partner.example/" target="x">out</a>',
  });
  await visitor.page.click('button');
  await visitor.page.fill('[name=a]', 'x');
  const events = await visitor.exactly(3);
  assert.deepEqual(events.map((e) => e.event || e.type), ['page', 'tap', 'Form Started']);
  assert.deepEqual(visitor.faults, []);
});

test('data-use works under Trusted Types as well', async () => {
  const visitor = await world.visit('/start', {
    attributes: 'data-use="forms"',
    headers: STRICT(world.trackingURL),
    body: '<form id="f"><input name="a"></form>',
  });
  await visitor.until((list) => list.length === 1, 'page view');
  await visitor.page.fill('[name=a]', 'x');
  await visitor.exactly(2);
  assert.deepEqual(visitor.faults, []);
});

/** What a page can do to the language before the pixel loads. */
const HOSTILITIES = {
  'JSON throws': () => (JSON.stringify = JSON.parse = () => { throw new Error('no'); }),
  'JSON lies': () => (JSON.stringify = () => '"stolen"'),
  'toJSON on everything, as old libraries have it': () => {
    for (const type of [Object, Array, String, Number, Date]) {
      Object.defineProperty(type.prototype, 'toJSON', { value: () => 'broken', configurable: true, writable: true });
    }
    Date.prototype.toJSON = undefined;
  },
  'Array.prototype throws': () => {
    for (const name of ['push', 'map', 'forEach', 'slice', 'splice', 'join', 'concat', 'filter', 'some', 'every', 'indexOf', 'includes', 'shift', 'pop']) {
      Array.prototype[name] = () => { throw new Error(`no ${name}`); };
    }
  },
  'arrays can not be iterated': () => (Array.prototype[Symbol.iterator] = () => { throw new Error('no'); }),
  'objects inherit what can be seen': () => {
    Object.prototype.inherited = Array.prototype.inherited = 'x';
  },
  'fetch throws': () => (window.fetch = () => { throw new Error('no'); }),
  'fetch is gone, and Request': () => (window.fetch = window.Request = undefined),
  'MutationObserver is gone': () => (window.MutationObserver = undefined),
  'MutationObserver throws': () => (window.MutationObserver = function () { throw new Error('no'); }),
  'history is wrapped by who throws': () => (history.pushState = history.replaceState = () => { throw new Error('no'); }),
};

for (const [what, before] of Object.entries(HOSTILITIES)) {
  test(`a hostile page, before the script: ${what}`, async () => {
    // The page itself makes the call: what drives the browser needs a whole language.
    const body = `<script>(function call() {
      window.touchline ? touchline('track', 'bought', { list: [1, { a: 'b' }], order_id: 'o1' }) : setTimeout(call, 10);
    })()</script>`;
    const visitor = await world.visit('/start?mt=tk1', { before, body });
    const events = await visitor.until((list) => list.length >= 2, 'both events');
    assert.equal(events[0].properties.url, `${world.shopURL}/start?mt=tk1`);
    const bought = events.find((e) => e.event === 'bought');
    assert.equal(bought.properties.order_id, 'o1');
    assert.deepEqual(bought.properties.list, [1, { a: 'b' }]);
    assert.deepEqual(visitor.faults, []);
  });
}

test('a hostile page, after the script: who replaces everything neither stops it nor reads it', async () => {
  const visitor = await world.visit('/start');
  await visitor.until((list) => list.length === 1, 'page view');
  await visitor.page.evaluate(() => {
    document.title = '';
    const steal = (first, second) => {
      document.title += ` stolen ${first} ${second && (second.body || second)}`;
      throw new Error('stolen');
    };
    window.fetch = window.XMLHttpRequest = navigator.sendBeacon = JSON.stringify = JSON.parse = steal;
    Object.keys = Array.isArray = Object.getPrototypeOf = Array.prototype.push = Array.prototype.join = steal;
    Object.defineProperty(Object.prototype, 'toJSON', { value: steal });
    window.touchline('track', 'x', { secret: 's3cret' });
  }).catch(() => {}); // What drives the browser may be a victim as well.
  const events = await visitor.until((list) => list.length === 2, 'event');
  assert.equal(events[1].properties.secret, 's3cret');
  assert.ok(!(await visitor.page.title()).includes('s3cret'));
});

/** What is no call, before one that is. */
const QUEUED = `<script>
  window.touchline = function () { touchline.q.push(arguments) };
  touchline.q = ['x', null, 7, undefined, ['nothing'], ['track', 'early']];
</script>`;

test('what is no call costs neither the calls after it nor the purchase of the page', async () => {
  const visitor = await world.visit('/start', { head: QUEUED, body: '<i data-tl-purchase="o1"></i>' });
  const events = await visitor.exactly(3);
  assert.deepEqual(events.map((e) => e.event || e.type), ['page', 'early', 'Order Completed']);
  await visitor.page.evaluate(() => ['x', null, 7, undefined].forEach((call) => window.touchline.q.push(call)));
  await visitor.exactly(3);
  assert.deepEqual(visitor.faults, []);
});

test('a decision that fails costs no view', async () => {
  const visitor = await world.visit('/start', {
    use: 'gcm',
    before: () => {
      window.dataLayer = [['consent', 'update', { analytics_storage: 'denied' }]];
      const { getRandomValues } = crypto;
      let asked = 0;
      Crypto.prototype.getRandomValues = function (bytes) {
        if (!asked++) {
          throw new Error('no');
        }
        return getRandomValues.call(this, bytes);
      };
    },
  });
  const [view] = await visitor.exactly(1);
  assert.equal(view.consent, 'denied');
  assert.deepEqual(visitor.faults, []);
});

test('calls named as what every object has do no harm', async () => {
  const visitor = await world.visit('/start');
  await visitor.page.evaluate(() => {
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '__defineGetter__']) {
      window.touchline(name, { polluted: 1 }, { polluted: 1 });
    }
    window.touchline('track', 'x', JSON.parse('{"__proto__": {"polluted": 1}}'));
  });
  await visitor.exactly(2);
  assert.equal(await visitor.page.evaluate(() => ({}).polluted), undefined);
  assert.deepEqual(visitor.faults, []);
});

test('all storage forbidden costs neither events nor the page', async () => {
  const visitor = await world.visit('/start', {
    before: () => {
      const refuse = { get: () => { throw new DOMException('denied', 'SecurityError'); }, set: () => { throw new DOMException('denied', 'SecurityError'); } };
      Object.defineProperty(window, 'localStorage', refuse);
      Object.defineProperty(Document.prototype, 'cookie', refuse);
    },
  });
  let n = 0;
  world.behaviour.status = () => (n++ ? 200 : 503);
  await track(visitor.page, 'x');
  await visitor.exactly(2);
  assert.deepEqual(visitor.faults, []);
});

test('a page without an origin (sandboxed) works too', async () => {
  const visitor = await world.visit('/start', { headers: { 'content-security-policy': 'sandbox allow-scripts' } });
  const [view] = await visitor.exactly(1);
  assert.ok(view.anonymousId);
  assert.deepEqual(visitor.faults, []);
});
