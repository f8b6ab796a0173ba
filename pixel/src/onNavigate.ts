import { attempt } from './lib/attempt';

/**
 * Calls back after every soft navigation (pushState, replaceState, back and forward)
 * and when the page returns from the back/forward cache. `restored` tells the latter,
 * where the address is the same and yet the page is looked at anew. `before` is called
 * ahead of pushState and replaceState, while the page still has its old address.
 */
export function onNavigate(before: () => void, callback: (restored: boolean) => void): void {
  const tell = (restored: boolean) => attempt(() => callback(restored));
  const wrap = (name: 'pushState' | 'replaceState') =>
    attempt(() => {
      const original = history[name];
      history[name] = function (this: History, ...args: Parameters<History['pushState']>) {
        attempt(before);
        original.apply(this, args);
        tell(false);
      };
    });
  wrap('pushState');
  wrap('replaceState');
  addEventListener('popstate', () => tell(false));
  addEventListener('pageshow', (e) => e.persisted && tell(true));
}
