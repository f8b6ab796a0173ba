import { readFileSync } from 'node:fs';

const read = (name) => readFileSync(new URL(`../../dist/${name}`, import.meta.url), 'utf8').trim();
const known = ['domains', 'forms', 'ga4', 'gcm', 'links', 'tcf'];

/** The script with modules ("forms,tcf"), put together as package pixel does it; names that are none are left out. */
export function readScript(use) {
  const names = (use || '').split(',');
  const modules = known.filter((name) => names.includes(name)).map((name) => read(`modules/${name}.js`));
  return read('p.js').replace('([]);', () => `([${modules}]);`);
}
