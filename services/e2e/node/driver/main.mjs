// Drives one browser for tests in Go. argv[2] is the engine, argv[3] its settings as JSON:
// {executable, browser, profile, noCookies, noScript, gpc} (profile: an empty folder; noCookies:
// none may be kept; noScript: pages' scripts don't run; gpc: Global Privacy Control, where the browser has it). A line of stdin is a
// command, {id, op, …}; a line of stdout its answer, {id, value} or {id, error}. When stdin
// ends the browser does too.
//
// Every engine offers the same: visitor() makes somebody with storage of their own and
// tab(visitor) a tab; open(tab, url) navigates and waits for the load event; click(tab,
// selector) is one that the page takes for a person's; evaluate(tab, expression) answers
// what JSON can hold, of a promise what it comes to; back(tab); close(tab); kill(tab) ends
// the process that the page runs in; offline(visitor, off) takes the browser's own network
// away, and answers whether it can.
import { createInterface } from 'node:readline'

const { launch } = await import(`./${process.argv[2]}.mjs`)
const browser = await launch(JSON.parse(process.argv[3]))

const operations = {
  visitor: () => browser.visitor(),
  tab: ({ visitor }) => browser.tab(visitor),
  open: ({ tab, url }) => browser.open(tab, url),
  click: ({ tab, selector }) => browser.click(tab, selector),
  evaluate: ({ tab, expression }) => browser.evaluate(tab, expression),
  back: ({ tab }) => browser.back(tab),
  close: ({ tab }) => browser.close(tab),
  kill: ({ tab }) => browser.kill(tab),
  offline: ({ visitor, off }) => browser.offline(visitor, off),
  leave: ({ visitor }) => browser.leave(visitor),
}

const answer = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)

answer({ id: 0, value: browser.version })
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line)
  Promise.resolve()
    .then(() => operations[command.op](command))
    .then(
      (value) => answer({ id: command.id, value: value ?? null }),
      (error) => answer({ id: command.id, error: `${error?.message ?? error}` }),
    )
}
await browser.quit().catch(() => {})
process.exit(0)
