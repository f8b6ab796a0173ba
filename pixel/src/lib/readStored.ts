import { attempt } from './attempt';
import { readLocal } from './local';

/** What writeStored kept under a name: from localStorage, else from the cookie. */
export function readStored(name: string): string | undefined {
  return (
    readLocal(name) ||
    attempt(() => decodeURIComponent(RegExp(`(^|; )${name}=([^;]*)`).exec(document.cookie)?.[2] || '')) ||
    undefined
  );
}
