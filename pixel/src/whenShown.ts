/**
 * Calls back once the page is really shown: one that was rendered ahead may be later, any other
 * is at once, in a task of its own, so that the browser may do something else after the script was read.
 */
export function whenShown(callback: () => void): void {
  if ((document as { prerendering?: boolean }).prerendering) {
    document.addEventListener('prerenderingchange', callback, { once: true });
  } else {
    setTimeout(callback);
  }
}
