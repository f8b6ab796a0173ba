// Chromium, by playwright-core over CDP.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

const ARGS = [
  '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  // As root it can't sandbox, and containers of CI run as root.
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
]

/** Playwright turns these off; visitors have them. */
const WANTED = ['--disable-back-forward-cache']

/** Bounds every wait, in milliseconds. Never used up unless something is wrong. */
const PATIENCE = 180_000

const patient = (context) => (context.setDefaultTimeout(PATIENCE), context)

export async function launch({ executable, profile, noCookies = false, noScript = false }) {
  const options = { executablePath: executable, args: ARGS, ignoreDefaultArgs: WANTED, timeout: PATIENCE }
  let persistent
  if (noCookies) {
    // What a visitor sets at "block all cookies"; a context of Playwright's can't.
    mkdirSync(join(profile, 'Default'), { recursive: true })
    writeFileSync(join(profile, 'Default/Preferences'), JSON.stringify({ profile: { default_content_setting_values: { cookies: 2 } } }))
    persistent = patient(await chromium.launchPersistentContext(profile, options))
  }
  const browser = persistent ? undefined : await chromium.launch(options)
  const visitors = []
  const tabs = []
  return {
    version: `Chromium ${browser?.version() ?? ''}`.trim(),
    async visitor() {
      return visitors.push(persistent ?? patient(await browser.newContext({ javaScriptEnabled: !noScript }))) - 1
    },
    async tab(visitor) {
      return tabs.push(await visitors[visitor].newPage()) - 1
    },
    open: async (tab, url) => void (await tabs[tab].goto(url, { waitUntil: 'load' })),
    click: (tab, selector) => tabs[tab].click(selector, { noWaitAfter: true }),
    evaluate: (tab, expression) => tabs[tab].evaluate(expression),
    back: async (tab) => void (await tabs[tab].goBack({ waitUntil: 'commit' })),
    close: (tab) => tabs[tab].close({ runBeforeUnload: false }),
    async kill(tab) {
      const page = tabs[tab]
      const crashed = new Promise((resolve) => page.once('crash', resolve))
      const session = await page.context().newCDPSession(page)
      session.send('Page.crash').catch(() => {}) // nobody lives to answer it
      await crashed
      await page.close()
    },
    async offline(visitor, off) {
      await visitors[visitor].setOffline(off)
      return true
    },
    leave: async (visitor) => (persistent ? undefined : visitors[visitor].close()),
    quit: () => (persistent ?? browser).close(),
  }
}
