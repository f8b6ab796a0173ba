import { spawn } from 'node:child_process'

/** Starts a screen for WebKitGTK, which has no mode without one, and answers the environment of its programs. */
export async function openScreen() {
  const xvfb = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', '1280x900x24', '-nolisten', 'tcp'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] })
  const close = () => xvfb.kill('SIGKILL')
  process.on('exit', close)
  const display = await new Promise((resolve, reject) => {
    xvfb.stdio[3].once('data', (text) => resolve(`:${`${text}`.trim()}`))
    xvfb.once('exit', (code) => reject(new Error(`Xvfb ended with ${code}`)))
  })
  const env = { DISPLAY: display, LIBGL_ALWAYS_SOFTWARE: '1', WEBKIT_DISABLE_COMPOSITING_MODE: '1' }
  if (process.getuid?.() === 0) {
    // Its sandbox needs rights that root in a container does not have.
    env.WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS = '1'
  }
  return { env, close }
}
