import { attempt } from './lib/attempt';

/** What became of a request: whether its events need no other try, and the answer's text. */
export type Done = (settled: unknown, answer?: string) => void;

/** Sends a body so that it outlives the page. `personal`: cookies may go along. `leaving`: nobody may live to see the answer. */
export type Send = (body: string, personal: boolean, leaving: boolean, done: Done) => void;

/** Answers that another try may change: not found (a proxy in the middle of a change), timeout, too early, too many. Other 4xx are final. */
const PASSING = /4(0[48]|2[59])|5../;

/** Whether fetch can outlive the page; Firefox before 133 can't. */
export const canKeepAlive = () => attempt(() => 'keepalive' in Request.prototype);

/**
 * Takes fetch and sendBeacon as they are now, so that who replaces them later
 * neither breaks nor reads anything. fetch is preferred, because its answer tells
 * what need not be sent again; sendBeacon does not tell, and sends cookies always.
 * A string goes as text/plain, which needs no preflight.
 */
export function createSender(endpoint: string, include: boolean): Send {
  const { fetch } = window;
  const { sendBeacon } = navigator;
  return (body, personal, leaving, done) => {
    const beacon = () => personal && attempt(() => sendBeacon.call(navigator, endpoint, body));
    if (leaving && !canKeepAlive() && beacon()) {
      return; // Without an answer: what is kept stays kept.
    }
    attempt(() =>
      fetch(endpoint, {
        method: 'POST',
        body,
        credentials: !personal ? 'omit' : include ? 'include' : 'same-origin',
        // fetch refuses keepalive over 64 KB outright; a UTF-16 unit is at most 3 bytes.
        keepalive: body.length < 2e4,
      }).then(
        (r) => {
          const settled = !PASSING.test(`${r.status}`);
          r.text().then((text) => done(settled, text), () => done(settled));
        },
        () => {
          // The server may not allow cookies from here; without them it allows everybody.
          include = false;
          done(0);
        },
      ),
    ) || setTimeout(() => done(beacon()));
  };
}
