import { onDataLayer } from '../lib/onDataLayer';
import type { Pixel } from '../payload';

/** What GA4 calls an event, and what we do. */
const NAMES: { [name: string]: string | undefined } = {
  purchase: 'Order Completed',
  refund: 'Order Refunded',
  begin_checkout: 'Checkout Started',
  add_to_cart: 'Product Added',
};

/** Tracks GA4's ecommerce events that the page puts into dataLayer, in the form of gtag or of Tag Manager. */
export function ga4(pixel: Pixel): void {
  onDataLayer((command, event, parameters) => {
    const isGtag = command === 'event';
    const name = NAMES[isGtag ? event : command];
    const { transaction_id, value, currency, coupon, items } = (isGtag ? parameters : event) || {};
    if (name) {
      pixel.track(name, { order_id: transaction_id, value, currency, coupon, products: items });
    }
  });
}
