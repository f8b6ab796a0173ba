import { readFileSync } from 'node:fs';

const read = (name) => readFileSync(new URL(`../../dist/${name}`, import.meta.url), 'utf8').trim();

/** The script with modules ("forms,tcf"), put together as package pixel does it. */
export function readScript(use) {
  const modules = (use || '').split(',').filter(Boolean).map((name) => read(`modules/${name}.js`));
  return read('p.js').replace('([]);', () => `([${modules}]);`);
}
