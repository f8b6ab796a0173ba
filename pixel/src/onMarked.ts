import { attempt } from './lib/attempt';
import type { Properties } from './payload';

/**
 * Tracks what the page's data attributes say: data-tl-event and data-tl-widget when an
 * element is clicked (a form: submitted), data-tl-purchase when one comes. Returns the
 * search for those that are there already.
 */
export function onMarked(track: (name: string, properties: Properties) => void): () => void {
  /** How long the page may change before it is searched for purchases, in milliseconds. */
  const PAUSE = 200;
  const tell = (name: string, element: HTMLElement, properties: Properties) => {
    const { attributes } = element;
    for (let i = 0; i < attributes.length; i++) {
      const { name, value } = attributes[i];
      if (name.startsWith('data-tl-prop-')) {
        properties[name.slice(13).replace(/-/g, '_')] = value;
      }
    }
    track(name, properties);
  };

  const use = (e: Event) =>
    attempt(() => {
      const element = (e.target as Element).closest<HTMLElement>('[data-tl-event],[data-tl-widget=coupon]')!;
      if ((element.tagName === 'FORM') === (e.type === 'submit')) {
        const code = element.querySelector<HTMLInputElement>('[data-tl-code]');
        tell(element.dataset.tlEvent || 'Coupon Redeemed', element, code ? { code: code.value } : {});
      }
    });
  addEventListener('click', use, true);
  addEventListener('submit', use, true);

  const bought: { [order: string]: 1 } = Object.create(null);
  let timer: number | undefined;
  const search = () => {
    timer = undefined;
    const elements = document.querySelectorAll<HTMLElement>('[data-tl-purchase]');
    for (let i = 0; i < elements.length; i++) {
      const order = elements[i].dataset.tlPurchase!;
      if (!bought[order]) {
        bought[order] = 1;
        attempt(() => tell('Order Completed', elements[i], { order_id: order }));
      }
    }
  };
  attempt(() =>
    new MutationObserver(() => (timer ||= setTimeout(search, PAUSE))).observe(document, {
      childList: true,
      subtree: true,
    }),
  );
  return search;
}
