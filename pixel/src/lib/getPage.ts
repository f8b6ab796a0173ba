import type { PageProperties } from '../payload';

/** The page as it is now; referrer is the caller's, because a soft navigation leaves document.referrer behind. */
export function getPage(referrer: string): PageProperties {
  return { url: location.href, referrer, title: document.title };
}
