import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

const { createSender } = await import(`${process.env.PIXEL_BUILT}/createSender.mjs`);

const define = (name, value) => Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });

let calls;
let fetched;
let beacon;
beforeEach(() => {
  calls = [];
  fetched = () => Promise.resolve(new Response('{"success":true}'));
  beacon = () => true;
  define('window', {
    fetch: (url, options) => {
      calls.push(['fetch', options.credentials, options.keepalive]);
      return fetched(url, options);
    },
  });
  define('navigator', {
    sendBeacon: () => {
      calls.push(['beacon']);
      return beacon();
    },
  });
  define('Request', class { get keepalive() { return true; } });
});

/** Sends one body and answers what became of it. */
const send = (sender, { personal = true, leaving = false, body = '{}' } = {}) =>
  new Promise((resolve) => {
    sender(body, personal, leaving, (settled, answer) => resolve([!!settled, answer]));
    if (leaving) {
      setTimeout(resolve, 50, 'no word');
    }
  });

for (const [status, settled] of [[200, true], [204, true], [400, true], [401, true], [413, true], [404, false], [408, false], [429, false], [500, false], [503, false], [507, false]]) {
  test(`an answer of ${status} ${settled ? 'ends' : 'calls for another try'}`, async () => {
    fetched = () => Promise.resolve(new Response(status === 204 ? null : 'x', { status }));
    assert.equal((await send(createSender('/e', false)))[0], settled);
  });
}

test('without an answer there is another try', async () => {
  fetched = () => Promise.reject(new TypeError('offline'));
  assert.deepEqual(await send(createSender('/e', false)), [false, undefined]);
});

test('cookies go along where they may; where the server does not allow them, no more', async () => {
  const sender = createSender('/e', true);
  await send(sender);
  await send(sender, { personal: false });
  fetched = () => Promise.reject(new TypeError('CORS'));
  await send(sender);
  await send(sender);
  assert.deepEqual(calls.map((call) => call[1]), ['include', 'omit', 'include', 'same-origin']);
});

test('a body that keepalive would be refused for goes without', async () => {
  await send(createSender('/e', false), { body: 'x'.repeat(30_000) });
  assert.deepEqual(calls, [['fetch', 'same-origin', false]]);
});

test('sendBeacon goes first only where the page leaves and fetch would die with it', async () => {
  define('Request', class {});
  assert.equal(await send(createSender('/e', false), { leaving: true }), 'no word');
  await send(createSender('/e', false));
  await send(createSender('/e', false), { leaving: true, personal: false });
  assert.deepEqual(calls.map((call) => call[0]), ['beacon', 'fetch', 'fetch']);
});

test('sendBeacon stands in for a fetch that throws, is missing or answers nothing', async () => {
  for (const broken of [() => { throw new Error('no'); }, () => undefined]) {
    fetched = broken;
    assert.equal((await send(createSender('/e', false)))[0], true);
  }
  window.fetch = undefined;
  assert.equal((await send(createSender('/e', false)))[0], true);
  beacon = () => false;
  assert.equal((await send(createSender('/e', false)))[0], false);
});

test('sendBeacon, which sends cookies, is not used for what may not be personal', async () => {
  window.fetch = undefined;
  assert.equal((await send(createSender('/e', false), { personal: false }))[0], false);
  assert.deepEqual(calls, []);
});

test('who replaces fetch later gets nothing', async () => {
  const sender = createSender('/e', false);
  let stolen;
  window.fetch = (...call) => (stolen = call);
  await send(sender);
  assert.equal(stolen, undefined);
});
