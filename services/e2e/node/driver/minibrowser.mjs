// WebKitGTK's MiniBrowser as people start it, for pages whose process is killed: WebDriver
// ends its session, and what the visitor keeps, with the first page that dies. Nothing
// can be asked of its tabs; a page has to say itself what became of it.
import { execFileSync, spawn } from 'node:child_process'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { descendants, kill } from './children.mjs'
import { openScreen } from './screen.mjs'

/** Opens what it is told to, each in a window that has nothing to do with it. */
const HUB = `<!doctype html><title>hub</title><script>(async () => {
  for (;;) window.open(await (await fetch('/next')).text(), '_blank', 'noopener')
})()</script>`

export async function launch({ browser, profile }) {
  const screen = await openScreen()
  const queue = []
  let waiting
  const give = () => {
    if (waiting && queue.length) {
      waiting.end(queue.shift())
      waiting = undefined
    }
  }
  let ready
  const asked = new Promise((resolve) => (ready = resolve))
  const server = createServer((request, response) => {
    if (request.url === '/next') {
      waiting = response
      ready()
      return give()
    }
    response.writeHead(request.url === '/' ? 200 : 404, { 'content-type': 'text/html' }).end(request.url === '/' ? HUB : '')
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const env = { ...process.env, ...screen.env, HOME: profile }
  for (const kind of ['DATA', 'CACHE', 'CONFIG']) {
    env[`XDG_${kind}_HOME`] = join(profile, kind)
  }
  const args = ['--javascript-can-open-windows-automatically=true', `http://127.0.0.1:${server.address().port}/`]
  const mini = spawn(browser, args, { env, stdio: 'ignore' })
  const ended = new Promise((_, reject) => mini.once('exit', (code) => reject(new Error(`MiniBrowser ended with ${code}`))))
  ended.catch(() => {})
  process.on('exit', () => mini.kill('SIGKILL'))
  await Promise.race([asked, ended])
  const webProcesses = () => descendants(mini.pid).filter(({ args }) => args[0].endsWith('/WebKitWebProcess')).map(({ pid }) => pid)
  // Of the hub's page; a second one waits for the next page already.
  const [own] = webProcesses()
  return {
    version: execFileSync(browser, ['--version'], { env }).toString().trim(),
    visitor: () => 0,
    tab: () => 0,
    async open(_, url) {
      queue.push(url)
      give()
      await Promise.race([ended, undefined]) // so that who waits for the page is told
    },
    async kill() {
      // The last one may be a process that waits for the next page: dying young, it takes the browser along.
      const others = webProcesses().filter((pid) => pid !== own)
      await kill(others.length > 1 ? others.slice(0, -1) : others)
    },
    offline: () => false,
    leave: () => {},
    async quit() {
      mini.kill('SIGKILL')
      screen.close()
    },
  }
}
