import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';

// The template of Google Tag Manager: its parts are well-formed, and its code, with
// Tag Manager's functions stood in for, asks for what it means.

const text = readFileSync(new URL('../../gtm/template.tpl', import.meta.url), 'utf8');
const parts = Object.fromEntries([...text.matchAll(/^___(\w+)___\n([^]*?)(?=^___|$(?![^]))/gm)].map(([, name, body]) => [name, body.trim()]));

/** Runs the template with what was typed into it, and answers what it did. */
function run(data, { granted = false } = {}) {
  const did = { calls: [], injected: [] };
  const offered = {
    addConsentListener: (type, listener) => (did.decide = (value) => listener(type, value)),
    // Its objects are of another realm, which deepEqual would mind.
    createArgumentsQueue: () => (...call) => did.calls.push(JSON.parse(JSON.stringify(call))),
    encodeUriComponent: encodeURIComponent,
    injectScript: (url, success) => (did.injected.push(url), success()),
    isConsentGranted: () => granted,
    makeTableMap: (rows, key, value) => Object.fromEntries(rows.map((row) => [row[key], row[value]])),
  };
  const finish = { gtmOnSuccess: () => (did.done = true), gtmOnFailure: () => {} };
  runInNewContext(`(() => {${parts.SANDBOXED_JS_FOR_WEB_TEMPLATE}})()`, {
    data: { ...data, ...finish },
    require: (name) => offered[name],
  });
  return did;
}

test('the parts that Tag Manager reads as JSON are JSON', () => {
  assert.equal(JSON.parse(parts.INFO).displayName, 'Touchline');
  const names = JSON.parse(parts.TEMPLATE_PARAMETERS).map((p) => p.name);
  for (const [, used] of parts.SANDBOXED_JS_FOR_WEB_TEMPLATE.matchAll(/\bdata\.(\w+)/g)) {
    assert.ok(names.includes(used) || used.startsWith('gtmOn'), `data.${used} is a parameter`);
  }
  const permissions = JSON.parse(parts.WEB_PERMISSIONS).map((p) => p.instance.key.publicId);
  assert.deepEqual(permissions.sort(), ['access_consent', 'access_globals', 'inject_script']);
});

test('loading states everything in the address', () => {
  const did = run({ action: 'load', script: 'https://t.example.com/p.js', key: 'w k', use: 'forms,ga4', endpoint: '/own/e', consent: '' });
  assert.deepEqual(did.injected, ['https://t.example.com/p.js?key=w%20k&use=forms%2Cga4&endpoint=%2Fown%2Fe']);
  assert.deepEqual(did.calls, []);
  assert.ok(did.done);
});

test('consent follows the container', () => {
  const did = run({ action: 'load', script: 'https://t.example.com/p.js', key: 'k', consent: 'mode' });
  assert.match(did.injected[0], /&consent=required$/);
  did.decide(true);
  did.decide(false);
  assert.deepEqual(did.calls, [['consent', 'granted'], ['consent', 'denied']]);
  assert.deepEqual(run({ action: 'load', script: 's', key: 'k', consent: 'mode' }, { granted: true }).calls, [['consent', 'granted']]);
});

test('events and users', () => {
  const properties = [{ name: 'order_id', value: 'o1' }];
  assert.deepEqual(run({ action: 'track', event: 'Order Completed', properties }).calls, [['track', 'Order Completed', { order_id: 'o1' }]]);
  assert.deepEqual(run({ action: 'identify', userId: 'u1' }).calls, [['identify', 'u1', {}]]);
});
