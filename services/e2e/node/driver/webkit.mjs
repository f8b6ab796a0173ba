// WebKitGTK, by the WebDriver of its Debian package: the engine of Safari, without its
// tracking prevention. A visitor is a session, of which the driver has one at a time.
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { descendants } from './children.mjs'
import { openScreen } from './screen.mjs'

const PATIENCE = 180_000

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })

export async function launch({ executable, browser }) {
  const screen = await openScreen()
  const port = await freePort()
  const env = { ...process.env, ...screen.env }
  const driver = spawn(executable, [`--port=${port}`, '--host=127.0.0.1'], { env, stdio: 'ignore' })
  const end = () => [...descendants(driver.pid).map(({ pid }) => pid), driver.pid].forEach((pid) => {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  })
  process.on('exit', end)

  const call = async (method, path, body) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, body: body && JSON.stringify(body) })
    const { value } = await response.json()
    if (!response.ok) {
      throw new Error(`${value.error}: ${value.message}`)
    }
    return value
  }
  const begun = Date.now()
  while (!(await call('GET', '/status').catch(() => false))) {
    if (Date.now() - begun > PATIENCE) {
      throw new Error('WebKitWebDriver does not answer')
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }

  // Classic WebDriver speaks to one window, that was switched to: one command at a time.
  let turn = Promise.resolve()
  const inTurn = (work) => {
    const mine = turn.then(work)
    turn = mine.catch(() => {})
    return mine
  }
  let session
  let version = 'WebKitGTK'
  const capabilities = { alwaysMatch: { 'webkitgtk:browserOptions': { binary: browser, args: ['--automation'] } } }
  const begin = async () => {
    const made = await call('POST', '/session', { capabilities })
    version = `WebKitGTK ${made.capabilities.browserVersion}`
    session = `/session/${made.sessionId}`
    // Its first window stays empty: without one the browser would end with the last tab.
    const [first] = await call('GET', `${session}/window/handles`)
    return first
  }
  let spare = await begin()
  let taken = false
  const on = (handle, work) => inTurn(async () => {
    await call('POST', `${session}/window`, { handle })
    return work()
  })
  return {
    version,
    visitor: () => inTurn(async () => {
      if (taken) {
        await call('DELETE', session)
        spare = await begin()
      }
      taken = true
      return 0
    }),
    tab: () => inTurn(async () => {
      await call('POST', `${session}/window`, { handle: spare })
      return (await call('POST', `${session}/window/new`, { type: 'tab' })).handle
    }),
    open: (tab, url) => on(tab, () => call('POST', `${session}/url`, { url })),
    click: (tab, selector) => on(tab, async () => {
      const element = await call('POST', `${session}/element`, { using: 'css selector', value: selector })
      await call('POST', `${session}/element/${Object.values(element)[0]}/click`, {})
    }),
    evaluate: (tab, expression) => on(tab, () => call('POST', `${session}/execute/sync`, { script: `return (${expression})`, args: [] })),
    back: (tab) => on(tab, () => call('POST', `${session}/back`, {})),
    close: (tab) => on(tab, async () => void (await call('DELETE', `${session}/window`))),
    kill: () => Promise.reject(new Error('WebDriver ends the session with the page: minibrowser.mjs can')),
    offline: () => false,
    leave: () => {},
    async quit() {
      await call('DELETE', session).catch(() => {})
      end()
      screen.close()
    },
  }
}
