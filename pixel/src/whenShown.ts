/** Calls back now, or once a page that was rendered ahead is really shown. */
export function whenShown(callback: () => void): void {
  if ((document as { prerendering?: boolean }).prerendering) {
    document.addEventListener('prerenderingchange', callback);
  } else {
    callback();
  }
}
