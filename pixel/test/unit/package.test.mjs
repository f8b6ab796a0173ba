import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const root = new URL('../../', import.meta.url);
const described = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));

test('the module can be imported where there is no browser, as by a server that renders pages', async () => {
  const module = await import(new URL('dist/pixel.mjs', root));
  assert.deepEqual(Object.keys(module).sort(), ['domains', 'forms', 'ga4', 'gcm', 'links', 'start', 'tcf', 'whenShown']);
});

test('every file that package.json exports is there, apart from the types, which are built when it is packed', () => {
  for (const target of Object.values(described.exports).flatMap((to) => (typeof to === 'string' ? to : Object.values(to)))) {
    assert.ok(target.startsWith('./dist/types/') || existsSync(new URL(target, root)), target);
  }
});
