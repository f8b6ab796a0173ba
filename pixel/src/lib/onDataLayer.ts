import { attempt } from './attempt';

/**
 * Calls back with every entry of dataLayer, past and future: gtag's as its arguments,
 * Tag Manager's as its event's name and ecommerce data.
 */
export function onDataLayer(callback: (command: any, second?: any, third?: any) => void): void {
  const page = window as { dataLayer?: any[] };
  const layer = (page.dataLayer = page.dataLayer || []);
  const read = (entry: any) =>
    attempt(() => (entry.event ? callback(entry.event, entry.ecommerce) : callback(entry[0], entry[1], entry[2])));
  for (let i = 0; i < layer.length; i++) {
    read(layer[i]);
  }
  const { push } = layer;
  layer.push = function (...entries: any[]) {
    const length = push.apply(layer, entries);
    for (let i = 0; i < entries.length; i++) {
      read(entries[i]);
    }
    return length;
  };
}
