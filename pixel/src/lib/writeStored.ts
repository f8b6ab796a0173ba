import { attempt } from './attempt';
import { dropLocal, writeLocal } from './local';

/**
 * Keeps a value in this browser, first-party: in localStorage, and only where that
 * is refused (blocked storage, full quota) in a cookie. An empty value forgets the name in both.
 */
export function writeStored(name: string, value: string): void {
  if (!value || !writeLocal(name, value)) {
    dropLocal(name);
    // 400 days is the longest that browsers grant a cookie.
    attempt(() => (document.cookie = `${name}=${encodeURIComponent(value)};path=/;max-age=${value ? 34560000 : 0};samesite=lax`));
  }
}
