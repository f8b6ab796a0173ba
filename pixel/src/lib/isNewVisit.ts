/** utm_*, click ids (gclid, gbraid, msclkid …) and the click token. */
const CAMPAIGN = /[?&]((utm_\w+|\w+clk?id|[gw]braid|li_fat_id|mt)=[^&#]+)/g;

/**
 * Whether an address begins a new visit: it names a campaign parameter that the
 * landing page's address did not. (Fewer of them is the same visit: the click token
 * has left the address bar since.)
 */
export function isNewVisit(url: string, landing: string): boolean {
  let isNew = false;
  url.replace(CAMPAIGN, (_, parameter: string) => {
    isNew ||= landing.indexOf(parameter) < 0;
    return '';
  });
  return isNew;
}
