/**
 * Calls back each time the page may be about to go; `left` tells that it surely is
 * (or freezes). Neither event alone does: phones kill hidden pages without pagehide,
 * and some browsers navigate without visibilitychange.
 */
export function onHidden(callback: (left: boolean) => void): void {
  addEventListener('visibilitychange', () => document.hidden && callback(false), true);
  addEventListener('pagehide', () => callback(true), true);
}
