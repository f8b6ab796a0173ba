import type { Signals } from '../payload';

/** What the browser itself says of privacy; undefined where it says nothing. */
export function getSignals(): Signals | undefined {
  const browser = navigator as { globalPrivacyControl?: true; doNotTrack?: unknown };
  const gpc = browser.globalPrivacyControl || undefined;
  const dnt = browser.doNotTrack === '1' || undefined;
  return gpc || dnt ? { gpc, dnt } : undefined;
}
