import { mock } from 'node:test';

/** Numbers from 0 to 1 that look random and are the same in every run (mulberry32). */
function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * What the queue touches of a browser, for tests in Node: localStorage over `kept`, a
 * clock that `mock.timers` moves, chance that is the same in every run, no Web Locks, so that the lease is what is tested.
 * Tabs are several queues over one of these.
 */
export function fakeBrowser(now = 1_800_000_000_000) {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now });
  const chance = mock.method(Math, 'random', seeded(1));
  const kept = new Map();
  const room = { left: Infinity };
  const storage = {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => {
      if (value.length > room.left) {
        throw new Error('QuotaExceededError');
      }
      kept.set(name, value);
    },
    removeItem: (name) => kept.delete(name),
  };
  // Object.keys(localStorage) lists what is kept, in a browser.
  const proxy = new Proxy(storage, {
    ownKeys: () => [...kept.keys()],
    getOwnPropertyDescriptor: (_, name) =>
      kept.has(name) ? { enumerable: true, configurable: true, value: kept.get(name) } : undefined,
  });
  const define = (name, value) => Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  define('localStorage', proxy);
  define('navigator', {});
  define('Request', class { get keepalive() { return true; } });
  const listeners = {};
  define('addEventListener', (type, listener) => (listeners[type] = [...(listeners[type] || []), listener]));
  return {
    kept,
    room,
    /** The queue's own entries of localStorage. */
    queued: () => [...kept.keys()].filter((name) => name.startsWith('_tlq')),
    fire: (type) => (listeners[type] || []).forEach((listener) => listener()),
    /** Lets time pass, in steps: a timer set within a step counts from the end of the step. */
    pass: (milliseconds) => {
      const step = Math.max(1, Math.ceil(milliseconds / 2000));
      for (let passed = 0; passed < milliseconds; passed += step) {
        mock.timers.tick(Math.min(step, milliseconds - passed));
      }
      mock.timers.tick(0);
    },
    close: () => {
      chance.mock.restore();
      mock.timers.reset();
    },
  };
}
