import { chromium } from 'playwright-core';
import { findChromium } from './findChromium.mjs';
import { startServers } from './startServers.mjs';

const FLAGS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Chromium can't sandbox as root, which is what containers of CI run as.
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
];

/** Automation turns these off; they are what some tests are about. */
const WANTED = ['--disable-back-forward-cache'];

/** How long anything awaited may take, in milliseconds. Never used up unless something is wrong. */
const PATIENCE = 180_000;

/** Waits until a condition holds, and says what did not come. */
export async function until(condition, what, seen = () => '') {
  const end = Date.now() + PATIENCE;
  while (!(await condition())) {
    if (Date.now() > end) {
      throw new Error(`no ${what} within ${PATIENCE} ms; ${JSON.stringify(seen(), null, 1)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Each event once, as the edge keeps it: a copy is one that a repeated request brought. What was refused did not arrive. */
export function unique(beacons) {
  const seen = new Map();
  for (const beacon of beacons) {
    if (beacon.status < 400) {
      beacon.body.batch.forEach((event) => seen.has(event.messageId) || seen.set(event.messageId, event));
    }
  }
  return [...seen.values()];
}

/** Starts browser and servers; `visit` makes a fresh visitor, whose events the answer's `events` lists as they arrived. */
export async function openWorld() {
  const servers = await startServers();
  const browser = await chromium.launch({ executablePath: findChromium(), args: FLAGS, ignoreDefaultArgs: WANTED, timeout: PATIENCE });
  const current = servers.visit;
  let visits = 0;
  let context;
  const snippet = (attributes = '', use = '') =>
    `<script defer src="${servers.trackingURL}/p.js${use && `?use=${use}`}" data-key="${current.key}" ${attributes}></script>`;

  /** Makes what a path of the shop answers: a title, a head, the snippet (of the visit at that time), a body. */
  function setPage(path, { attributes, use, head = '', body = '', headers, tag } = {}) {
    servers.pages.set(new URL(path, servers.shopURL).pathname, () => {
      const script = tag ?? snippet(attributes, use);
      return { html: `<!doctype html><title>Shop</title>${typeof head === 'function' ? head(script) : head}${script}<body>${body}`, headers };
    });
  }

  /** Opens a path in a page, and answers what the tests look at. */
  async function open(context, path, { before, referer, base = servers.shopURL } = {}) {
    const page = await context.newPage();
    const faults = [];
    page.on('pageerror', (fault) => faults.push(fault.message));
    page.on('console', (message) => message.type() === 'error' && /Trusted|Content Security/.test(message.text()) && faults.push(message.text()));
    if (before) {
      await page.addInitScript(before);
    }
    await page.goto(base + path, { referer });
    return { page, faults };
  }

  async function visit(path, options = {}) {
    await context?.close();
    current.key = `wk${++visits}`;
    setPage(path, options);
    servers.beacons.length = 0;
    servers.handovers.length = 0;
    context = await browser.newContext(options.context);
    context.setDefaultTimeout(PATIENCE);
    const { page, faults } = await open(context, path, options);
    const events = () => unique(servers.beacons);
    const awaitEvents = async (condition, what) => {
      await until(() => condition(events()), what, () => servers.beacons);
      return events();
    };
    /** Waits for so many events, and then for a closing one, so that one too many is seen as well. */
    const exactly = async (count) => {
      await page.evaluate(() => window.touchline('track', 'the end'));
      await awaitEvents((list) => list.some((e) => e.event === 'the end') && list.length > count, 'closing event');
      const rest = events().filter((e) => e.event !== 'the end');
      if (rest.length !== count) {
        throw new Error(`${rest.length} events instead of ${count}: ${JSON.stringify(rest, null, 1)}`);
      }
      return rest;
    };
    return { page, context, faults, events, until: awaitEvents, exactly };
  }

  return {
    ...servers,
    current,
    browser,
    snippet,
    setPage,
    open,
    visit,
    close: async () => {
      await browser.close();
      servers.close();
    },
  };
}
