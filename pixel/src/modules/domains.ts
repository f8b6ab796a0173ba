import { attempt } from '../lib/attempt';
import { hideParam } from '../lib/hideParam';
import type { Pixel } from '../payload';

/** How long a token is used, in milliseconds; the server takes it for 120 s. */
const FRESH = 9e4;

const HANDOVER = /[?&]_tlx=(([\w.-]+)\.([\da-z]+)\.[\w-]{22})(&|#|$)/;

/**
 * Hands the device id over to other hosts of the same business, in a signed parameter
 * of links to them, and takes one that was handed over here.
 */
export function domains(pixel: Pixel): void {
  const { endpoint, key, domains } = pixel.options;
  const hosts = `${domains}`.split(/[\s,]+/);
  const tokens: { [host: string]: { text?: string; at: number } } = {};

  const given = HANDOVER.exec(location.href);
  hideParam('_tlx');
  if (given && parseInt(given[3], 36) * 1000 > Date.now()) {
    pixel.adopt(given[2], given[1]);
  }

  const use = (e: Event) =>
    attempt(() => {
      const link = (e.target as Element).closest('a')!;
      const host = link.hostname;
      const id = pixel.device();
      if (!id || host === location.hostname || !hosts.some((h) => h && `.${host}`.endsWith(`.${h}`))) {
        return;
      }
      const now = Date.now();
      if (!tokens[host] || now - tokens[host].at > FRESH) {
        const token: (typeof tokens)[string] = (tokens[host] = { at: now });
        fetch(`${endpoint}/handover?${new URLSearchParams({ k: key, d: id, to: host })}`, { credentials: 'omit' })
          .then((r) => (r.ok ? r.text() : ''))
          .then((text) => (token.text = text), () => {});
      }
      const { text } = tokens[host];
      if (text && /click/.test(e.type)) {
        // As text: URLSearchParams would rewrite the rest, and break signed addresses.
        link.href = link.href.replace(/[?&]_tlx=[^&#]*/, '').replace(/^([^?#]*)(\??)([^#]*)/, `$1?$3&_tlx=${text}`).replace('?&', '?');
      }
    });
  for (const type of ['pointerdown', 'touchstart', 'focusin', 'keydown', 'click', 'auxclick']) {
    addEventListener(type, use, true);
  }
}
