import { readFileSync, readdirSync } from 'node:fs'

/**
 * Processes that descend from one, as {pid, args}, in the order in which they began; of this
 * machine's /proc. A later one may have the smaller number: numbers begin again, often at 32,768.
 */
export function descendants(root) {
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ') // from the third on
      return [{ pid: +pid, parent: +fields[1], begun: +fields[19], args: readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0') }]
    } catch {
      return [] // it has ended meanwhile
    }
  })
  const found = []
  const parents = [root]
  for (const parent of parents) {
    for (const one of all) {
      if (one.parent === parent) {
        found.push(one)
        parents.push(one.pid)
      }
    }
  }
  return found.sort((a, b) => a.begun - b.begun || a.pid - b.pid)
}

/** Ends processes as a crash does, and waits until they are gone. */
export async function kill(pids) {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
  const runs = (pid) => {
    try {
      return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
    } catch {
      return false
    }
  }
  while (pids.some(runs)) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
