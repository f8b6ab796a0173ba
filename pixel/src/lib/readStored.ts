import { attempt } from './attempt';

/** What writeStored kept under a name: from localStorage, else from the cookie. */
export function readStored(name: string): string | undefined {
  return (
    attempt(() => localStorage.getItem(name)) ||
    attempt(() => decodeURIComponent((`; ${document.cookie}`.split(`; ${name}=`)[1] || '').split(';')[0])) ||
    undefined
  );
}
