// Opens a browser for one scenario and prints what came of it as JSON.
// argv[2]: JSON {scenario, executable, screenshot?, …the scenario's own}
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { dirname, extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const options = JSON.parse(process.argv[2])
const here = dirname(fileURLToPath(import.meta.url))

// Chromium's own calls home are refused in closed networks; these flags keep it quiet.
const flags = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
]

const scenarios = {
  // @segment/analytics-next as its documentation loads it, pointed at the tracking
  // service: the page was opened through a link with a click token, then an order.
  async 'segment-next'(page) {
    const umd = join(here, 'node_modules/@segment/analytics-next/dist/umd')
    const site = await serve(async (path) => {
      if (path === '/') return ['text/html', '<!doctype html><title>Shop</title><script src="/umd/index.js"></script>']
      if (path === '/favicon.ico') return ['image/x-icon', '']
      return ['text/javascript', await readFile(join(umd, normalize(path.replace('/umd/', ''))))]
    })
    await page.goto(`${site.url}/?mt=${options.token}`)
    const delivered = Promise.all(['/v1/p', '/v1/t'].map((path) => page.waitForResponse((response) => response.url().endsWith(path))))
    await page.evaluate(async ({ writeKey, apiHost, orderId, value, currency }) => {
      const [analytics] = await window.AnalyticsNext.AnalyticsBrowser.load(
        { writeKey, cdnSettings: { integrations: { 'Segment.io': { apiKey: writeKey } } } },
        { integrations: { 'Segment.io': { apiHost, protocol: 'http' } } },
      )
      await analytics.page()
      await analytics.track('Order Completed', { order_id: orderId, value, currency })
    }, options)
    const statuses = (await delivered).map((response) => response.status())
    site.close()
    return { statuses }
  },

  // The demo shop, opened through a tracked link, bought from like a customer would.
  async shop(page) {
    await page.goto(options.url)
    await shot(page, 'shop')
    await page.locator('button[data-sku]').first().click()
    if (options.phone) await page.locator('#order input[name=phone]').fill(options.phone)
    const sent = page.waitForRequest((request) => (request.postData() ?? '').includes('Order Completed'))
    await page.locator('#buy').click()
    const order = page.locator('#thanks[data-order]')
    await order.waitFor()
    const boughtAt = Date.now()
    await sent
    await shot(page, 'shop-thanks')
    return { orderId: await order.getAttribute('data-order'), boughtAt, address: page.url() }
  },

  // The first page, signed in by the link that make run prints.
  async 'first-page'(page) {
    await page.goto(options.url)
    await page.locator(options.ready).first().waitFor()
    await page.waitForLoadState('networkidle')
    await shot(page, options.name ?? 'first-page')
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
    return { text: await page.locator('body').innerText(), address: page.url(), overflow }
  },
}

async function shot(page, name) {
  if (options.screenshots) await page.screenshot({ path: join(options.screenshots, `${name}.png`), fullPage: options.fullPage ?? true })
}

async function serve(answer) {
  const types = { '.css': 'text/css' }
  const server = createServer(async (request, response) => {
    try {
      const path = new URL(request.url, 'http://localhost').pathname
      const [type, body] = await answer(path)
      response.writeHead(200, { 'content-type': types[extname(path)] ?? type }).end(body)
    } catch {
      response.writeHead(404).end()
    }
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() }
}

// Bounds every wait, in milliseconds. Never used up unless something is wrong.
const timeout = 180_000

const browser = await chromium.launch({ executablePath: options.executable, args: flags, timeout })
try {
  const context = await browser.newContext({ viewport: options.viewport ?? { width: 1280, height: 900 } })
  context.setDefaultTimeout(timeout)
  const page = await context.newPage()
  const faults = []
  page.on('pageerror', (fault) => faults.push(String(fault)))
  page.on('console', (line) => line.type() === 'error' && faults.push(line.text()))
  const result = await scenarios[options.scenario](page)
  console.log(JSON.stringify({ ...result, faults }))
} finally {
  await browser.close()
}
