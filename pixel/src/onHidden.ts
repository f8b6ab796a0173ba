/**
 * Calls back each time the page may be about to go. Neither event alone does: phones
 * kill hidden pages without pagehide, and some browsers navigate without visibilitychange.
 */
export function onHidden(callback: () => void): void {
  addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && callback(), true);
  addEventListener('pagehide', callback, true);
}
