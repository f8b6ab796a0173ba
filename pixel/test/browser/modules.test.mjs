import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { openWorld, until } from '../support/openWorld.mjs';

// What needs no code: data attributes, and the optional modules.

let world;
before(async () => (world = await openWorld()));
beforeEach(() => world.reset());
after(() => world.close());

/** The events beside page views, as name and properties of their own. */
const told = (events) =>
  events
    .filter((e) => e.type === 'track')
    .map(({ event, properties: { url, referrer, title, session, ...own } }) => [event, own]);

test('data-tl-event tells of clicks, and of submissions where it is on a form', async () => {
  const visitor = await world.visit('/start', {
    body: `<button id="a" data-tl-event="Add to cart" data-tl-prop-sku="7" data-tl-prop-unit-price="1.50"><b>add</b></button>
      <form data-tl-event="Asked" onsubmit="return false"><input name="secret" value="s"><button id="b">go</button></form>
      <div onclick="event.stopPropagation()"><a id="c" data-tl-event="Stopped" href="#x">x</a></div>`,
  });
  await visitor.page.click('#a b');
  await visitor.page.click('[name=secret]');
  await visitor.page.click('#b');
  await visitor.page.click('#c');
  assert.deepEqual(told(await visitor.exactly(4)), [
    ['Add to cart', { sku: '7', unit_price: '1.50' }],
    ['Asked', {}],
    ['Stopped', {}],
  ]);
});

test('data-tl-widget="coupon" tells which code was redeemed', async () => {
  const visitor = await world.visit('/start', {
    body: `<form data-tl-widget="coupon" onsubmit="return false"><input type="hidden" name="csrf" value="secret"><input data-tl-code value=""><button id="a">use</button></form>
      <button id="b" data-tl-widget="coupon" data-tl-prop-code="SAVE10">copy</button>`,
  });
  await visitor.page.fill('[data-tl-code]', 'WELCOME');
  await visitor.page.click('#a');
  await visitor.page.click('#b');
  assert.deepEqual(told(await visitor.exactly(3)), [
    ['Coupon Redeemed', { code: 'WELCOME' }],
    ['Coupon Redeemed', { code: 'SAVE10' }],
  ]);
});

test('data-tl-purchase tells of an order once, there from the start or drawn later', async () => {
  const order = (id) => `<p data-tl-purchase="${id}" data-tl-prop-total="19.90" data-tl-prop-currency="EUR"></p>`;
  const visitor = await world.visit('/start', { body: order('o1') });
  await visitor.page.evaluate((html) => {
    document.body.innerHTML += html + html;
  }, order('o2'));
  await visitor.until((list) => list.length === 3, 'both orders');
  await visitor.page.evaluate(() => document.body.append(document.createElement('p')));
  await visitor.page.waitForTimeout(300);
  assert.deepEqual(told(await visitor.exactly(3)), [
    ['Order Completed', { order_id: 'o1', total: '19.90', currency: 'EUR' }],
    ['Order Completed', { order_id: 'o2', total: '19.90', currency: 'EUR' }],
  ]);
});

test('links: outbound, downloads, linked images and widgets, each once', async () => {
  const visitor = await world.visit('/start', {
    use: 'links',
    head: '<script>addEventListener("click", (e) => e.preventDefault()); addEventListener("auxclick", (e) => e.preventDefault())</script>',
    body: `<a id="out" href="https://partner.example/x?y=1"> Partner <i>site</i></a>
      <a id="file" href="/price%20list.PDF?v=2">list</a>
      <a id="image" href="/sale"><img alt="Sale" src="data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=" width="20" height="20"></a>
      <a id="in" href="/other">inside</a>
      <a id="named" data-tl-event="Named" href="https://partner.example/">named</a>
      <button id="cta" data-tl-widget="cta">Buy now</button>
      <a id="script" href="javascript:void 0">script</a>`,
  });
  for (const id of ['out', 'file', 'image', 'in', 'named', 'cta', 'script']) {
    await visitor.page.click(`#${id}`);
  }
  await visitor.page.click('#out', { button: 'middle' });
  await visitor.page.click('#out', { button: 'right' });
  const { shopURL } = world;
  assert.deepEqual(told(await visitor.exactly(7)).map(([name, own]) => [name, own.href, own.text]), [
    ['Outbound Link Clicked', 'https://partner.example/x?y=1', 'Partner site'],
    ['File Downloaded', `${shopURL}/price%20list.PDF?v=2`, 'list'],
    ['Linked Image Clicked', `${shopURL}/sale`, 'Sale'],
    ['Named', undefined, undefined],
    ['CTA Clicked', '', 'Buy now'],
    ['Outbound Link Clicked', 'https://partner.example/x?y=1', 'Partner site'],
  ]);
});

const FORM = `<form id="order" action="/next" method="post"><input name="name"><input name="card" autocomplete="off"><button id="go">go</button></form>`;

test('forms: started and submitted', async () => {
  world.setPage('/next');
  const visitor = await world.visit('/start', { use: 'forms', body: FORM });
  await visitor.page.fill('[name=name]', 'Ola');
  await visitor.page.fill('[name=card]', '4111');
  await visitor.page.click('#go');
  const events = await visitor.until((list) => list.length >= 4, 'events of both pages');
  assert.deepEqual(told(events).sort(), [['Form Started', { form: 'order' }], ['Form Submitted', { form: 'order' }]]);
  assert.ok(!JSON.stringify(world.beacons).includes('4111'));
});

test('forms: abandoned, with the last field but never its content', async () => {
  world.setPage('/next', { use: 'forms' });
  const visitor = await world.visit('/start', { use: 'forms', body: FORM });
  await visitor.page.fill('[name=name]', 'Ola');
  await visitor.page.fill('[name=card]', '4111');
  await visitor.page.goto(`${world.shopURL}/next`);
  const events = await visitor.until((list) => list.some((e) => e.event === 'Form Abandoned'), 'abandonment');
  assert.deepEqual(told(events).find(([name]) => name === 'Form Abandoned'), ['Form Abandoned', { form: 'order', field: 'card' }]);
  assert.ok(!JSON.stringify(world.beacons).includes('4111'));
});

test('forms: sent by code, and taken off the page by a router', async () => {
  world.setPage('/next');
  const visitor = await world.visit('/start', {
    use: 'forms',
    body: `${FORM}<form name="ask"><input name="q"></form><button id="away" onclick="history.pushState({}, '', '/other'); document.querySelector('[name=ask]').remove()">x</button>`,
  });
  await visitor.page.fill('[name=q]', 'why');
  await visitor.page.click('#away');
  await visitor.until((list) => list.some((e) => e.event === 'Form Abandoned'), 'abandonment');
  await visitor.page.fill('[name=name]', 'Ola');
  await visitor.page.evaluate(() => document.querySelector('#order').submit());
  const events = await visitor.until((list) => list.some((e) => e.event === 'Form Submitted'), 'submission');
  assert.deepEqual(told(events), [
    ['Form Started', { form: 'ask' }],
    ['Form Abandoned', { form: 'ask', field: 'q' }],
    ['Form Started', { form: 'order' }],
    ['Form Submitted', { form: 'order' }],
  ]);
});

test('ga4: purchases of gtag and of Tag Manager, before and after the script', async () => {
  const head = `<script>window.dataLayer = []; function gtag() { dataLayer.push(arguments) }
    gtag('js', new Date()); gtag('event', 'purchase', { transaction_id: 'T1', value: 25.42, currency: 'USD', items: [{ item_id: 's1' }] });</script>`;
  const visitor = await world.visit('/start', { use: 'ga4', head });
  await visitor.page.evaluate(() => {
    dataLayer.push({ ecommerce: null });
    dataLayer.push({ event: 'purchase', ecommerce: { transaction_id: 'T2', value: 5, currency: 'EUR', coupon: 'C', items: [] } });
    dataLayer.push({ event: 'gtm.load' }, undefined, null, 'text');
    gtag('event', 'refund', { transaction_id: 'T1', value: 25.42, currency: 'USD' });
  });
  assert.deepEqual(told(await visitor.exactly(4)).filter(([name]) => name !== 'the end'), [
    ['Order Completed', { order_id: 'T1', value: 25.42, currency: 'USD', products: [{ item_id: 's1' }] }],
    ['Order Completed', { order_id: 'T2', value: 5, currency: 'EUR', coupon: 'C', products: [] }],
    ['Order Refunded', { order_id: 'T1', value: 25.42, currency: 'USD' }],
  ]);
  assert.deepEqual(visitor.faults, []);
});

test('domains: the device id crosses to a listed host by a signed parameter, and to no other', async () => {
  const attributes = 'data-domains="other.localhost, pay.example"';
  const { port } = new URL(world.shopURL);
  const visitor = await world.visit('/start', {
    use: 'domains',
    attributes,
    head: '<script>addEventListener("click", (e) => e.preventDefault())</script>',
    body: `<a id="to" href="http://other.localhost:${port}/landing?a=%20&sig=A%2fb=#top">there</a><a id="not" href="http://stranger.localhost:${port}/">stranger</a>`,
  });
  const [{ anonymousId }] = await visitor.until((list) => list.length === 1, 'page view');
  await visitor.page.hover('#to');
  await visitor.page.focus('#to');
  await until(() => world.handovers.length === 1, 'token');
  await visitor.page.click('#not');
  await visitor.page.click('#to');
  await visitor.page.click('#to');
  assert.deepEqual(world.handovers, [{ id: anonymousId, host: 'other.localhost' }]);
  assert.equal(await visitor.page.getAttribute('#not', 'href'), `http://stranger.localhost:${port}/`);
  const href = await visitor.page.getAttribute('#to', 'href');
  const [, token] = /^http:\/\/other\.localhost:\d+\/landing\?a=%20&sig=A%2fb=&_tlx=([^&#]+)#top$/.exec(href);

  world.setPage('/landing', { use: 'domains', attributes });
  const landing = await world.open(visitor.context, new URL(href).pathname + new URL(href).search + '#top', { base: new URL(href).origin });
  const events = await visitor.until((list) => list.length === 2, 'view of the landing page');
  assert.equal(events[1].anonymousId, anonymousId);
  assert.equal(events[1].handover, token);
  assert.equal(events[1].device, 'new');
  assert.equal(events[1].properties.url, `http://other.localhost:${port}/landing?a=%20&sig=A%2fb=#top`);
  assert.equal(landing.page.url(), events[1].properties.url);
  await landing.page.evaluate(() => window.touchline('track', 'later'));
  const all = await visitor.until((list) => list.length === 3, 'later event');
  assert.equal(all[2].anonymousId, anonymousId);
  assert.equal(all[2].handover, undefined);
});

for (const [what, query] of [
  ['expired', `_tlx=stranger-1.${(1_700_000_000).toString(36)}.${'s'.repeat(22)}`],
  ['malformed', '_tlx=stranger-1'],
]) {
  test(`domains: a token that is ${what} is taken off the address and not believed`, async () => {
    const visitor = await world.visit(`/start?a=1&${query}`, { use: 'domains' });
    const [view] = await visitor.exactly(1);
    assert.notEqual(view.anonymousId, 'stranger-1');
    assert.equal(view.handover, undefined);
    assert.equal(visitor.page.url(), `${world.shopURL}/start?a=1`);
  });
}

test('domains: who is known here stays who they are', async () => {
  const visitor = await world.visit('/start', { use: 'domains' });
  const [{ anonymousId }] = await visitor.until((list) => list.length === 1, 'page view');
  const token = `stranger-1.${Math.floor(Date.now() / 1000 + 60).toString(36)}.${'s'.repeat(22)}`;
  await visitor.page.goto(`${world.shopURL}/start?_tlx=${token}`);
  const events = await visitor.until((list) => list.length === 2, 'second view');
  assert.equal(events[1].anonymousId, anonymousId);
  assert.equal(events[1].handover, undefined);
});

test('data-use loads the modules when the address of the script does not name them', async () => {
  const visitor = await world.visit('/start', {
    attributes: 'data-use="forms,ga4"',
    head: '<script>window.touchline = function () { (touchline.q = touchline.q || []).push(arguments) }; touchline("track", "early")</script>',
    body: FORM,
  });
  await visitor.until((list) => list.length === 2, 'page view and early call');
  await visitor.page.fill('[name=name]', 'Ola');
  assert.deepEqual(told(await visitor.exactly(3)), [['early', {}], ['Form Started', { form: 'order' }]]);
});

test('a tag manager states everything in the address of the script', async () => {
  const tag = (key) =>
    `<script>const s = document.createElement('script'); s.async = true; s.src = '${world.trackingURL}/p.js?key=${key}&consent=required&use=forms'; document.head.append(s)</script>`;
  const visitor = await world.visit('/start', { tag: '' , head: () => tag(world.current.key) });
  await visitor.until((list) => list.length === 1, 'page view');
  assert.equal(visitor.events()[0].anonymousId, undefined);
});

test('a module that there is not costs nothing but the module', async () => {
  const tag = () =>
    `<script>const s = document.createElement('script'); s.async = true; s.src = '${world.trackingURL}/p.js?key=${world.current.key}&use=nothing'; document.head.append(s)</script>`;
  const visitor = await world.visit('/start', { tag: '', head: tag });
  await visitor.until((list) => list.length === 1, 'page view');
});
