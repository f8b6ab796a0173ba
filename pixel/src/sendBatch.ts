import { attempt } from './lib/attempt';

/**
 * Hands a body to the browser so that it outlives the page. A string goes as
 * text/plain, which needs no preflight. sendBeacon may be missing, throw, or refuse
 * (false: its 64 KB quota is used up, or a blocker said no); then fetch tries.
 */
export function sendBatch(endpoint: string, body: string): void {
  if (attempt(() => navigator.sendBeacon(endpoint, body))) {
    return;
  }
  attempt(() => {
    fetch(endpoint, {
      method: 'POST',
      body,
      credentials: 'omit',
      // fetch refuses keepalive over 64 KB outright; a UTF-16 unit is at most 3 bytes.
      keepalive: body.length < 2e4,
    }).catch(() => {});
  });
}
