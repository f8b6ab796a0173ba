// Stock Firefox, by WebDriver BiDi: no driver of Mozilla's is needed, nor a patched build.
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import WebSocket from 'ws'
import { descendants, kill } from './children.mjs'

const PREFS = {
  'app.update.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.page': 0,
  'browser.tabs.crashReporting.sendReport': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'dom.disable_open_during_load': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'toolkit.telemetry.enabled': false,
}

/** What BiDi writes values as, back to values. */
function plain(remote) {
  switch (remote?.type) {
    case 'string':
    case 'boolean':
      return remote.value
    case 'number':
      return typeof remote.value === 'number' ? remote.value : null
    case 'array':
      return remote.value.map(plain)
    case 'object':
      return Object.fromEntries(remote.value.map(([name, value]) => [name, plain(value)]))
    default:
      return null
  }
}

/** Sends commands, answers as promises. */
async function connect(url) {
  const socket = new WebSocket(url)
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  const waiting = new Map()
  let last = 0
  socket.on('message', (text) => {
    const message = JSON.parse(text)
    const { resolve, reject } = waiting.get(message.id) ?? {}
    waiting.delete(message.id)
    message.type === 'error' ? reject?.(new Error(`${message.error}: ${message.message}`)) : resolve?.(message.result)
  })
  return (method, params = {}) =>
    new Promise((resolve, reject) => {
      waiting.set(++last, { resolve, reject })
      socket.send(JSON.stringify({ id: last, method, params }))
    })
}

export async function launch({ executable, profile, noCookies = false, noScript = false, gpc = false }) {
  const prefs = { ...PREFS, 'privacy.globalprivacycontrol.enabled': gpc, 'javascript.enabled': !noScript, ...(noCookies ? { 'network.cookie.cookieBehavior': 2 } : {}) }
  writeFileSync(join(profile, 'user.js'), Object.entries(prefs).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`).join(''))
  const args = ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port=0', 'about:blank']
  const firefox = spawn(executable, args, { env: { ...process.env, HOME: profile, MOZ_CRASHREPORTER_DISABLE: '1' }, stdio: ['ignore', 'ignore', 'pipe'] })
  process.on('exit', () => firefox.kill('SIGKILL'))
  const address = await new Promise((resolve, reject) => {
    let said = ''
    firefox.stderr.setEncoding('utf8').on('data', (text) => {
      said += text
      const found = /WebDriver BiDi listening on (ws:\S+)/.exec(said)
      found && resolve(found[1])
    })
    firefox.once('exit', (code) => reject(new Error(`Firefox ended with ${code}: ${said}`)))
  })
  const call = await connect(`${address}/session`)
  const { capabilities } = await call('session.new', { capabilities: {} })
  const evaluate = async (context, expression, awaitPromise = true) => {
    const answer = await call('script.evaluate', { expression, target: { context }, awaitPromise, serializationOptions: { maxDomDepth: 0 } })
    if (answer.type === 'exception') {
      throw new Error(answer.exceptionDetails.text)
    }
    return answer.result
  }
  return {
    version: `Firefox ${capabilities.browserVersion}`,
    visitor: async () => (await call('browser.createUserContext')).userContext,
    tab: async (userContext) => (await call('browsingContext.create', { type: 'tab', userContext })).context,
    open: async (context, url) => void (await call('browsingContext.navigate', { context, url, wait: 'complete' })),
    async click(context, selector) {
      const { sharedId } = await evaluate(context, `document.querySelector(${JSON.stringify(selector)})`)
      const actions = [
        { type: 'pointerMove', x: 0, y: 0, origin: { type: 'element', element: { sharedId } } },
        { type: 'pointerDown', button: 0 },
        { type: 'pointerUp', button: 0 },
      ]
      await call('input.performActions', { context, actions: [{ type: 'pointer', id: 'mouse', actions }] })
    },
    evaluate: async (context, expression) => plain(await evaluate(context, expression)),
    back: async (context) => void (await call('browsingContext.traverseHistory', { context, delta: -1 })),
    close: async (context) => void (await call('browsingContext.close', { context, promptUnload: false })),
    async kill(context) {
      await kill(descendants(firefox.pid).filter(({ args }) => args.includes('-contentproc') && args.includes('tab')).map(({ pid }) => pid))
      await call('browsingContext.close', { context, promptUnload: false }).catch(() => {}) // it may be gone with its process
    },
    offline: () => false,
    leave: async (userContext) => void (await call('browser.removeUserContext', { userContext })),
    async quit() {
      const ended = new Promise((resolve) => firefox.once('exit', resolve))
      firefox.removeAllListeners('exit')
      call('browser.close').catch(() => {})
      const timer = setTimeout(() => firefox.kill('SIGKILL'), 5000)
      firefox.once('exit', () => clearTimeout(timer))
      await Promise.race([ended, new Promise((resolve) => firefox.once('exit', resolve))])
    },
  }
}
