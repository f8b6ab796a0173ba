import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { openWorld, until } from '../support/openWorld.mjs';

// What is kept on the device and which ids are sent, by what the visitor decided.

let world;
before(async () => (world = await openWorld()));
beforeEach(() => world.reset());
after(() => world.close());

/** Everything that this browser keeps for the page. */
const keeps = (page) => page.evaluate(() => [...Object.keys(localStorage), ...Object.keys(sessionStorage), document.cookie].filter(Boolean));
const say = (page, ...call) => page.evaluate((call) => window.touchline(...call), call);
const isNobody = (event) => {
  assert.equal(event.anonymousId, undefined);
  assert.equal(event.userId, undefined);
  assert.equal(event.device, undefined);
};

test('before consent nothing is kept and no id is sent', async () => {
  const visitor = await world.visit('/start?mt=tk1', { attributes: 'data-consent="required"' });
  await say(visitor.page, 'identify', 'u1', { email: 'a@example.com' });
  const [view] = await visitor.exactly(1);
  isNobody(view);
  assert.equal(view.consent, 'unknown');
  assert.equal(view.properties.url, `${world.shopURL}/start?mt=tk1`);
  assert.deepEqual(await keeps(visitor.page), []);
});

for (const [what, attributes, gpc] of [
  ['consent is required', 'data-consent="required"'],
  ['consent is denied', 'data-consent="denied"'],
  ['nothing may be kept without consent', 'data-cookieless'],
  ['the browser objects', '', true],
]) {
  test(`where ${what} and Web Locks are missing, nothing is written, not for a moment and not for another try`, async () => {
    const before = (gpc) => {
      Object.defineProperty(navigator, 'locks', { value: undefined });
      Object.defineProperty(navigator, 'globalPrivacyControl', { value: gpc });
      window.written = [];
      const { setItem } = Storage.prototype;
      Storage.prototype.setItem = function (name, value) {
        window.written.push(name);
        setItem.call(this, name, value);
      };
    };
    let n = 0;
    world.behaviour.status = () => (n++ ? 200 : 503);
    const visitor = await world.visit('/start', { attributes, before: `(${before})(${!!gpc})` });
    await visitor.until((list) => list.length === 1, 'another try');
    assert.ok(n > 1, 'there was another try');
    assert.deepEqual(await visitor.page.evaluate(() => window.written), []);
    await visitor.page.evaluate(() => localStorage.setItem('x', '1'));
    assert.deepEqual(await visitor.page.evaluate(() => window.written), ['x'], 'a write would be seen');
  });
}

test('consent makes the visitor known, with how they came and who they said they were', async () => {
  const visitor = await world.visit('/start?mt=tk1', { attributes: 'data-consent="required"', referer: 'https://mail.example/' });
  await say(visitor.page, 'identify', 'u1', { plan: 'a' });
  await say(visitor.page, 'consent', 'granted');
  await say(visitor.page, 'track', 'x');
  const [before, view, identify, x] = await visitor.exactly(4);
  isNobody(before);
  assert.equal(view.type, 'page');
  assert.equal(view.consent, 'granted');
  assert.equal(view.properties.url, `${world.shopURL}/start?mt=tk1`);
  assert.equal(view.properties.referrer, 'https://mail.example/');
  assert.deepEqual([identify.type, identify.userId, identify.traits], ['identify', 'u1', { plan: 'a' }]);
  assert.equal(x.anonymousId, view.anonymousId);
  assert.equal(x.userId, 'u1');
  assert.match(x.properties.session.landing, /mt=tk1/);
  await visitor.page.reload();
  const events = await visitor.until((list) => list.length === 6, 'view after a reload');
  assert.equal(events[5].consent, 'granted', 'consent is remembered');
  assert.equal(events[5].anonymousId, view.anonymousId);
});

test('withdrawal deletes what is kept and what waits, and is told', async () => {
  const visitor = await world.visit('/start', { attributes: 'data-cookie="include"' });
  await say(visitor.page, 'identify', 'u1');
  await visitor.until((list) => list.length === 2, 'first events');
  assert.ok((await keeps(visitor.page)).length >= 3);
  world.behaviour.down = true;
  await say(visitor.page, 'track', 'unsent');
  for (let cut = 0; !cut || cut !== world.behaviour.cut; ) { // the browser itself may try once more
    cut = world.behaviour.cut;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  await say(visitor.page, 'consent', 'denied');
  world.behaviour.down = false;
  await say(visitor.page, 'track', 'after');
  const events = await visitor.until((list) => list.some((e) => e.event === 'after') && list.some((e) => e.event === 'Consent Withdrawn'), 'events after withdrawal');
  assert.ok(!events.some((e) => e.event === 'unsent'));
  for (const event of events.slice(2)) {
    isNobody(event);
    assert.equal(event.consent, 'denied');
  }
  assert.deepEqual(await keeps(visitor.page), ['_tlc'], 'only the objection itself is remembered');
  await visitor.page.reload();
  const all = await visitor.until((list) => list.length === events.length + 1, 'view after a reload');
  isNobody(all.at(-1));
  assert.equal(all.at(-1).consent, 'denied');
});

test('where consent is required, withdrawal leaves nothing at all', async () => {
  const visitor = await world.visit('/start', { attributes: 'data-consent="required"' });
  await say(visitor.page, 'consent', 'granted');
  await visitor.until((list) => list.length === 2, 'both views');
  await say(visitor.page, 'consent', 'denied');
  await visitor.until((list) => list.some((e) => e.event === 'Consent Withdrawn'), 'withdrawal');
  await until(async () => (await keeps(visitor.page)).length === 0, 'empty storage');
});

test('a decision holds in the other tabs too', async () => {
  const visitor = await world.visit('/start');
  await visitor.until((list) => list.length === 1, 'page view');
  const other = await world.open(visitor.context, '/start');
  await visitor.until((list) => list.length === 2, 'second page view');
  await say(visitor.page, 'consent', 'denied');
  await visitor.until((list) => list.some((e) => e.event === 'Consent Withdrawn'), 'withdrawal');
  await say(other.page, 'track', 'elsewhere');
  const events = await visitor.until((list) => list.some((e) => e.event === 'elsewhere'), 'event of the other tab');
  isNobody(events.find((e) => e.event === 'elsewhere'));
});

test('Global Privacy Control is honoured, also against consent', async () => {
  const visitor = await world.visit('/start?mt=tk1', {
    attributes: 'data-cookieless',
    before: () => Object.defineProperty(navigator, 'globalPrivacyControl', { value: true }),
  });
  await say(visitor.page, 'consent', 'granted');
  await say(visitor.page, 'identify', 'u1', { email: 'a@example.com' });
  const [view] = await visitor.exactly(1);
  isNobody(view);
  assert.deepEqual(view.signals, { gpc: true });
  assert.equal(view.cookieless, undefined);
  assert.deepEqual(await keeps(visitor.page), []);
});

for (const [attributes, honoured] of [['', false], ['data-dnt', true]]) {
  test(`Do Not Track is told${honoured ? ' and honoured' : ''} ${honoured ? 'with' : 'without'} data-dnt`, async () => {
    const visitor = await world.visit('/start', { attributes, before: () => Object.defineProperty(navigator, 'doNotTrack', { value: '1' }) });
    const [view] = await visitor.exactly(1);
    assert.deepEqual(view.signals, { dnt: true });
    assert.equal(view.anonymousId === undefined, honoured);
  });
}

test('cookieless keeps nothing and asks the edge for an id, until consent is granted', async () => {
  const visitor = await world.visit('/start', { attributes: 'data-cookieless' });
  await say(visitor.page, 'track', 'x');
  const [view, x] = await visitor.exactly(2);
  isNobody(view);
  assert.equal(view.cookieless, true);
  assert.equal(x.cookieless, true);
  assert.deepEqual(await keeps(visitor.page), []);
  await say(visitor.page, 'consent', 'granted');
  await say(visitor.page, 'track', 'y');
  const events = await visitor.until((list) => list.some((e) => e.event === 'y'), 'event after consent');
  const y = events.find((e) => e.event === 'y');
  assert.equal(y.cookieless, undefined);
  assert.ok(y.anonymousId);
});

test('cookieless, the site may still say who the visitor is, on this page', async () => {
  const visitor = await world.visit('/start', { attributes: 'data-cookieless' });
  await say(visitor.page, 'identify', 'u1');
  await say(visitor.page, 'track', 'x');
  const [, identify, x] = await visitor.exactly(3);
  assert.deepEqual([identify.userId, x.userId, x.anonymousId], ['u1', 'u1', undefined]);
  assert.deepEqual(await keeps(visitor.page), []);
});

for (const [state, known] of [['denied', false], ['granted', true]]) {
  test(`the tag may state that consent is ${state}, and the page overrules it`, async () => {
    const visitor = await world.visit('/start', { attributes: `data-consent="${state}"` });
    const other = known ? 'denied' : 'granted';
    await say(visitor.page, 'consent', other);
    await say(visitor.page, 'track', 'x');
    const events = await visitor.until((list) => list.some((e) => e.event === 'x'), 'event');
    const x = events.find((e) => e.event === 'x');
    assert.deepEqual([events[0].consent, !!events[0].anonymousId], [state, known]);
    assert.deepEqual([x.consent, !!x.anonymousId], [other, !known]);
  });
}

test('requests without an id carry no cookie either, but the withdrawal does, so that the server takes it away', async () => {
  const attributes = `data-endpoint="/e" data-consent="required"`;
  const visitor = await world.visit('/start', { attributes });
  await visitor.context.addCookies([{ name: '_tls', value: 'server-id-1', url: world.shopURL }]);
  const cookies = [];
  await visitor.page.route('**/e', async (route) => {
    cookies.push((await route.request().allHeaders()).cookie);
    await route.fulfill({ status: 200, body: '{}' });
  });
  await say(visitor.page, 'track', 'x');
  await until(() => cookies.length > 0, 'request');
  await say(visitor.page, 'consent', 'granted');
  await until(() => cookies.some((cookie) => /server-id-1/.test(cookie || '')), 'request with the cookie');
  assert.equal(cookies[0], undefined);
  const before = cookies.length;
  await say(visitor.page, 'consent', 'denied');
  await until(() => cookies.length > before, 'withdrawal');
  assert.match(cookies.at(-1), /server-id-1/);
  await say(visitor.page, 'track', 'x');
  await until(() => cookies.length > before + 1, 'request after it');
  assert.equal(cookies.at(-1), undefined);
});

test('a new device id says so until a request with it was answered, and takes the id that the server knows', async () => {
  world.behaviour.answer = '{"success":true,"anonymousId":"known-0001.x"}';
  const visitor = await world.visit('/start', { attributes: 'data-cookie="include"' });
  const [view] = await visitor.until((list) => list.length === 1, 'page view');
  assert.equal(view.device, 'new');
  await until(() => visitor.page.evaluate(() => localStorage._tl === 'known-0001.x'), 'id of the server');
  await say(visitor.page, 'track', 'x');
  const [, x] = await visitor.until((list) => list.length === 2, 'event');
  assert.equal(x.anonymousId, 'known-0001.x');
  assert.equal(x.device, undefined);
  world.behaviour.answer = '{"success":true}';
  await say(visitor.page, 'reset');
  await say(visitor.page, 'track', 'y');
  const [, , y] = await visitor.until((list) => list.length === 3, 'event after reset');
  assert.equal(y.device, 'reset');
  assert.notEqual(y.anonymousId, 'known-0001.x');
});

test('a visit has one session; another campaign begins another', async () => {
  const visitor = await world.visit('/start?utm_source=mail&mt=tk1', { referer: 'https://mail.example/' });
  await visitor.until((list) => list.length === 1, 'page view');
  await visitor.page.reload();
  world.setPage('/next');
  await visitor.page.goto(`${world.shopURL}/next`);
  await visitor.page.goto(`${world.shopURL}/next?utm_source=ads`);
  const events = await visitor.until((list) => list.length === 4, 'four page views');
  const sessions = events.map((e) => e.properties.session);
  assert.equal(new Set(sessions.slice(0, 3).map((s) => s.id)).size, 1);
  assert.notEqual(sessions[3].id, sessions[0].id);
  assert.deepEqual(sessions[2], { ...sessions[0], landing: `${world.shopURL}/start?utm_source=mail&mt=tk1`, referrer: 'https://mail.example/' });
  assert.equal(sessions[3].landing, `${world.shopURL}/next?utm_source=ads`);
});

const TCF = `<script>
  window.tcf = { eventStatus: 'cmpuishown', tcString: 'CP0', gdprApplies: true, purpose: { consents: {} } };
  window.listeners = [];
  window.__tcfapi = (command, version, callback) => { listeners.push(callback); callback(tcf, true); };
  window.decide = (consents) => listeners.forEach((l) => l({ ...tcf, eventStatus: 'useractioncomplete', tcString: 'CPdecided', purpose: { consents } }, true));
</script>`;

test('TCF: nothing before the decision, everything after consent to the purposes of measuring', async () => {
  const visitor = await world.visit('/start', { use: 'tcf', head: TCF });
  await visitor.page.evaluate(() => window.decide({ 1: true, 7: true, 8: true }));
  const [before, view] = await visitor.exactly(2);
  isNobody(before);
  assert.equal(before.signals, undefined);
  assert.ok(view.anonymousId);
  assert.deepEqual(view.signals, { tcf: 'CPdecided' });
  assert.equal(view.consent, 'granted');
  await visitor.page.evaluate(() => window.decide({ 1: true, 7: true }));
  const events = await visitor.until((list) => list.some((e) => e.event === 'Consent Withdrawn'), 'withdrawal');
  isNobody(events.at(-1));
});

/** Consent managers that knew the decision before the script came. */
const DECIDED = {
  tcf: `<script>window.__tcfapi = (command, version, callback) =>
    callback({ eventStatus: 'tcloaded', tcString: 'CP', gdprApplies: true, purpose: { consents: { 1: true, 7: true, 8: true } } }, true)</script>`,
  gcm: `<script>window.dataLayer = []; function gtag() { dataLayer.push(arguments) }
    gtag('consent', 'default', { analytics_storage: 'denied' }); gtag('consent', 'update', { analytics_storage: 'granted' })</script>`,
};

for (const [use, head] of Object.entries(DECIDED)) {
  test(`a decision that ${use} knows already holds from the first view on, which is one`, async () => {
    const visitor = await world.visit('/start?mt=tk1', { use, head });
    await visitor.exactly(1);
    await visitor.page.reload();
    const [view, , again] = await visitor.until((list) => list.length === 3, 'view after a reload');
    assert.deepEqual([view.consent, view.properties.url], ['granted', `${world.shopURL}/start?mt=tk1`]);
    assert.ok(view.anonymousId);
    assert.deepEqual([again.anonymousId, again.properties.session], [view.anonymousId, view.properties.session]);
  });
}

test('what dataLayer held before the script is as nameless as the visitor, whatever the order of the modules', async () => {
  const head = `<script>window.dataLayer = [{ event: 'purchase', ecommerce: { transaction_id: 'T1' } }]</script>`;
  const visitor = await world.visit('/start', { use: 'ga4,tcf', head });
  const [view, order] = await visitor.exactly(2);
  isNobody(view);
  isNobody(order);
  assert.equal(order.event, 'Order Completed');
  assert.equal(order.properties.session.id, view.properties.session.id);
  assert.deepEqual(await keeps(visitor.page), []);
});

test('TCF: where the GDPR does not apply, or a consent manager comes late', async () => {
  const visitor = await world.visit('/start', { use: 'tcf' });
  await visitor.page.evaluate(() => {
    window.__tcfapi = (command, version, callback) => callback({ eventStatus: 'tcloaded', tcString: '', gdprApplies: false }, true);
  });
  const events = await visitor.until((list) => list.some((e) => e.consent === 'granted'), 'granted view');
  isNobody(events[0]);
});

const GTAG = '<script>window.dataLayer = window.dataLayer || []; function gtag() { dataLayer.push(arguments) }</script>';

test('Consent Mode: a denied default is no decision, an update is', async () => {
  const head = `${GTAG}<script>gtag('consent', 'default', { ad_storage: 'denied', analytics_storage: 'denied', wait_for_update: 500 })</script>`;
  const visitor = await world.visit('/start', { use: 'gcm', head });
  await visitor.page.evaluate(() => window.gtag('consent', 'update', { analytics_storage: 'granted' }));
  const [before, view] = await visitor.exactly(2);
  isNobody(before);
  assert.equal(before.consent, 'unknown');
  assert.deepEqual(before.signals, { gcm: { ad_storage: 'denied', analytics_storage: 'denied' } });
  assert.equal(view.consent, 'granted');
  assert.deepEqual(view.signals, { gcm: { ad_storage: 'denied', analytics_storage: 'granted' } });
  await visitor.page.reload();
  const all = await visitor.until((list) => list.length === 4, 'view after a reload');
  assert.equal(all[3].anonymousId, view.anonymousId, 'the default does not undo what was decided');
});

test('Consent Mode: the strictest of several defaults holds, and an update of "denied" withdraws', async () => {
  const head = `${GTAG}<script>
    gtag('consent', 'default', { analytics_storage: 'denied', region: ['NO'] });
    gtag('consent', 'default', { analytics_storage: 'granted' });
  </script>`;
  const visitor = await world.visit('/start', { use: 'gcm', head });
  isNobody((await visitor.exactly(1))[0]);
  await visitor.page.evaluate(() => window.gtag('consent', 'update', { analytics_storage: 'denied' }));
  await visitor.page.evaluate(() => window.touchline('track', 'x'));
  const events = await visitor.until((list) => list.some((e) => e.event === 'x'), 'event');
  assert.equal(events.find((e) => e.event === 'x').consent, 'denied');
});
