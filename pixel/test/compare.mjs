// Loads the scripts of ../compare, one after the other in fresh visitors, and prints the
// table. argv[2]: JSON {dir, scripts: [{name, version, file, tag}], rounds}
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { chromium } from 'playwright-core';
import { findChromium } from './support/findChromium.mjs';

const { dir, scripts, rounds } = JSON.parse(process.argv[2]);

/** How long a request may take to come, in milliseconds. */
const PATIENCE = 20_000;

/** RudderStack asks for these before it sends. */
const SOURCE_CONFIG = JSON.stringify({
  source: {
    id: 's', name: 's', writeKey: 'k', enabled: true, workspaceId: 'w', destinations: [], connections: [],
    config: { statsCollection: { errors: { enabled: false }, metrics: { enabled: false } } },
  },
});

/** What was sent to the sink, but for configuration that was asked for. */
const taken = [];
let sink;
const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://x');
  const script = /^\/s\/(.*)$/.exec(pathname);
  const shown = /^\/page\/(\d+)$/.exec(pathname);
  if (script) {
    response.writeHead(200, { 'content-type': 'text/javascript', 'content-encoding': 'gzip' });
    return response.end(gzipSync(files[script[1]], { level: 9 }));
  }
  if (shown || pathname === '/blank') {
    response.writeHead(200, { 'content-type': 'text/html' });
    return response.end(shown ? page(scripts[shown[1]]) : '<!doctype html>');
  }
  let length = 0;
  request.on('data', (part) => (length += part.length)).on('end', () => {
    if (request.method === 'POST' && !/flags|decide|config/i.test(pathname)) {
      taken.push({ path: pathname, length });
    }
    response.writeHead(200, {
      'content-type': 'application/json',
      'access-control-allow-origin': request.headers.origin || '*',
      'access-control-allow-headers': request.headers['access-control-request-headers'] || '*',
      'access-control-allow-credentials': 'true',
    });
    response.end(pathname.startsWith('/sourceConfig') ? SOURCE_CONFIG : '{}');
  });
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
sink = `http://127.0.0.1:${server.address().port}`;
const origin = `http://localhost:${server.address().port}`;
const files = Object.fromEntries(
  scripts.map(({ file }) => [file, readFileSync(join(dir, file), 'utf8').replaceAll('SINK', sink)]),
);

/** The same for all: a shop's list of a hundred things with a button each. */
const page = ({ file, tag }) => `<!doctype html><title>Shop</title>
<script defer src="/s/${file}" ${tag.replaceAll('SINK', sink)}></script><body><h1>Shop</h1>
${Array.from({ length: 100 }, (_, n) => `<article><h2>Thing ${n}</h2><p>It is number ${n}.</p><a href="/page/${n}">more</a> <button onclick="tap()">buy</button></article>`).join('\n')}`;

const browser = await chromium.launch({
  executablePath: findChromium(),
  args: ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])],
});

async function until(condition, what) {
  for (const end = Date.now() + PATIENCE; !condition(); ) {
    if (Date.now() > end) {
      throw new Error(`not within ${PATIENCE} ms: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A visit: the page, its view sent, a click, its event sent. */
async function visit(shown, number) {
  const { name } = scripts[number];
  taken.length = 0;
  await shown.goto(`${origin}/page/${number}`, { waitUntil: 'load' });
  if (number > 0) {
    await until(() => taken.length >= 1, `the page view of ${name}`);
  }
  const before = taken.length;
  await shown.click('button >> nth=0');
  if (number > 0) {
    await until(() => taken.length > before, `the event of ${name}`);
  }
}

/** CPU time of scripts and of the page's main thread, in milliseconds. */
async function measureTime(number) {
  const context = await browser.newContext();
  const shown = await context.newPage();
  await shown.goto(`${origin}/blank`);
  const session = await context.newCDPSession(shown);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const read = async () => Object.fromEntries((await session.send('Performance.getMetrics')).metrics.map(({ name, value }) => [name, value * 1000]));
  const before = await read();
  await visit(shown, number);
  const after = await read();
  await context.close();
  return { script: after.ScriptDuration - before.ScriptDuration, thread: after.TaskDuration - before.TaskDuration };
}

/**
 * The longest task of the page's main thread in which the script ran, and its longest run
 * in one piece, in milliseconds of CPU time. What the browser's driver runs in the page,
 * to find the button, has no URL and is nobody's; laying out the page is nobody's either.
 */
async function measureTask(number) {
  const context = await browser.newContext();
  const shown = await context.newPage();
  await shown.goto(`${origin}/blank`);
  await browser.startTracing(shown, { categories: ['toplevel', 'devtools.timeline', 'disabled-by-default-devtools.timeline'] });
  await visit(shown, number);
  const { traceEvents } = JSON.parse(`${await browser.stopTracing()}`);
  await context.close();
  const isOwn = ({ name, args }) =>
    name === 'RunMicrotasks' || (['EvaluateScript', 'FunctionCall'].includes(name) && (args?.data?.url?.includes('/s/') || args?.data?.functionName === 'onclick'));
  const first = traceEvents.find((e) => e.name === 'EvaluateScript' && isOwn(e));
  const thread = traceEvents.filter((e) => e.pid === first.pid && e.tid === first.tid);
  const runs = thread.filter(isOwn);
  const tasks = thread.filter((e) => e.name === 'RunTask' && runs.some(({ ts }) => ts >= e.ts && ts < e.ts + e.dur));
  const longest = (list) => Math.max(...list.map((e) => (e.tdur ?? e.dur ?? 0) / 1000));
  return { task: longest(tasks), run: longest(runs) };
}

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const all = scripts.map(() => ({ script: [], thread: [], task: [], run: [], requests: [] }));
await measureTime(0); // the first page of a browser is slow
for (let round = 0; round < rounds; round++) {
  for (let number = 0; number < scripts.length; number++) {
    const { script, thread } = await measureTime(number);
    all[number].script.push(script);
    all[number].thread.push(thread);
    all[number].requests.push(taken.length);
    const { task, run } = await measureTask(number);
    all[number].task.push(task);
    all[number].run.push(run);
  }
}
console.log(`Chromium ${browser.version()}, medians of ${rounds} visits: a page, its view, a click on a button, its event.\n`);
console.log('| script | package | gzip -9, bytes | brotli, bytes | script, ms of CPU | main thread, ms of CPU | longest task with a script, ms of CPU | of it the script | requests |');
console.log('|---|---|---|---|---|---|---|---|---|');
scripts.forEach(({ name, version, file }, number) => {
  const { script, thread, task, run, requests } = all[number];
  const [zipped, squeezed] = number ? [gzipSync(files[file], { level: 9 }).length, brotliCompressSync(files[file]).length] : [0, 0];
  const cells = [name, version, zipped, squeezed, ...[script, thread, task, run].map((list) => median(list).toFixed(1)), median(requests)];
  console.log(`| ${cells.join(' | ')} |`);
});
await browser.close();
server.close();
