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

/** How long an awaited event may take, in milliseconds. A guess, generous for a loaded machine. */
const PATIENCE = 10_000;

/** Starts browser and servers; `visit` makes a fresh visitor, whose events the answer's `events` lists as they arrived. */
export async function openWorld() {
  const servers = await startServers();
  const browser = await chromium.launch({ executablePath: findChromium(), args: FLAGS });
  const snippet = (attributes = '') =>
    `<script defer src="${servers.trackingURL}/p.js" data-key="wk1" ${attributes}></script>`;

  async function visit(path, { attributes, head = '', before, referer } = {}) {
    servers.pages.set(new URL(path, servers.shopURL).pathname, `<title>Shop</title>${head}${snippet(attributes)}`);
    servers.beacons.length = 0;
    const context = await browser.newContext();
    const page = await context.newPage();
    const faults = [];
    page.on('pageerror', (fault) => faults.push(fault.message));
    if (before) {
      await page.addInitScript(before);
    }
    await page.goto(servers.shopURL + path, { referer });
    const events = () => servers.beacons.flatMap((beacon) => beacon.body.batch);
    const until = async (condition, what) => {
      const end = Date.now() + PATIENCE;
      while (!condition(events())) {
        if (Date.now() > end) {
          throw new Error(`no ${what} within ${PATIENCE} ms; arrived: ${JSON.stringify(servers.beacons, null, 1)}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return events();
    };
    /** Waits for so many events, and then for a closing one, so that one too many is seen as well. */
    const exactly = async (count) => {
      await page.evaluate(() => window.touchline('track', 'the end'));
      const all = await until((list) => list.some((e) => e.event === 'the end'), 'closing event');
      const rest = all.filter((e) => e.event !== 'the end');
      if (rest.length !== count) {
        throw new Error(`${rest.length} events instead of ${count}: ${JSON.stringify(rest, null, 1)}`);
      }
      return rest;
    };
    return { page, context, faults, events, until, exactly };
  }

  return {
    ...servers,
    browser,
    snippet,
    visit,
    close: async () => {
      await browser.close();
      servers.close();
    },
  };
}
