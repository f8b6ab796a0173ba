import { attempt } from './attempt';

/** Calls back with a function of the page, now or when it comes within ten seconds of patience. */
export function whenThere(name: string, callback: (found: (...args: any[]) => void) => void, tries = 40): void {
  const found = (window as any)[name];
  if (found) {
    attempt(() => callback(found));
  } else if (tries) {
    setTimeout(whenThere, 250, name, callback, tries - 1);
  }
}
