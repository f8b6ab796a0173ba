import { dropLocal, readLocal, writeLocal } from './local';

/**
 * Runs work in one tab at a time; the others' `busy` is called. By Web Locks; where
 * they are missing (plain http, Safari before 15.4) by a lease in localStorage, which
 * is read again after a moment because two tabs may have taken it at once.
 */
export function withLock(name: string, work: (release?: () => void) => void, busy: () => void): void {
  /** How long a lease holds, in milliseconds; longer than a request should take. */
  const LEASE = 30_000;
  const { locks } = navigator;
  if (locks) {
    locks
      .request(name, { ifAvailable: true }, (lock) => (lock ? new Promise<void>(work) : busy()))
      // Refused to pages without an origin, which share no storage either.
      .catch(() => work());
    return;
  }
  const left = +readLocal(name)! - Date.now();
  if (left > 0 && left < LEASE + 1) {
    return busy();
  }
  const lease = `${Date.now() + LEASE + Math.random()}`;
  const kept = writeLocal(name, lease);
  setTimeout(() => (kept && readLocal(name) !== lease ? busy() : work(() => dropLocal(name))), 50);
}
