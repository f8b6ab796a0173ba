import { whenThere } from '../lib/whenThere';
import type { Pixel } from '../payload';

/** IAB purposes that measuring needs: storage, and measuring advertising and content. */
const PURPOSES = [1, 7, 8];

interface TCData {
  tcString: string;
  eventStatus: string;
  gdprApplies?: boolean;
  purpose: { consents: { [purpose: number]: boolean } };
}

/** Takes the visitor's decision from a consent manager that speaks IAB TCF v2. Until it has told one, there is none. */
export function tcf(pixel: Pixel): void {
  pixel.need();
  whenThere('__tcfapi', (api) =>
    api('addEventListener', 2, (data: TCData, ok: boolean) => {
      if (!ok || data.eventStatus === 'cmpuishown') {
        return; // The visitor is still being asked.
      }
      pixel.signal('tcf', data.tcString);
      const granted = data.gdprApplies === false || PURPOSES.every((purpose) => data.purpose.consents[purpose]);
      pixel.consent(granted ? 'granted' : 'denied');
    }),
  );
}
