import { onDataLayer } from '../lib/onDataLayer';
import type { Pixel } from '../payload';

/**
 * Takes the visitor's decision from Google Consent Mode v2: analytics_storage of
 * `gtag('consent', …)`. A default of "denied" means that the visitor has not been
 * asked yet; only an update is a decision.
 */
export function gcm(pixel: Pixel): void {
  const state: { [type: string]: string } = {};
  onDataLayer((command, kind, types) => {
    if (command !== 'consent' || !types) {
      return;
    }
    for (const type of ['ad_storage', 'analytics_storage', 'ad_user_data', 'ad_personalization']) {
      const value = types[type];
      // Defaults may be for some regions only, and ours is not known here: the strictest holds.
      if (value && (kind === 'update' || state[type] !== 'denied')) {
        state[type] = value;
      }
    }
    pixel.signal('gcm', state);
    const { analytics_storage: storage } = state;
    if (kind === 'update' && types.analytics_storage) {
      pixel.consent(storage === 'granted' ? storage : 'denied');
    } else if (storage === 'denied') {
      pixel.need();
    }
  });
}
