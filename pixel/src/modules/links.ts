import { attempt } from '../lib/attempt';
import type { Pixel } from '../payload';

/** Endings of files that are kept, not looked at in the browser. */
const FILE = /\.(pdf|docx?|xlsx?|pptx?|csv|txt|rtf|epub|zip|rar|7z|t?gz|dmg|exe|msi|apk|pkg|iso|mp[34]|mov|avi|wav|ics)$/i;

/** What a click (of a form: its submission) on an element with data-tl-widget is called. */
const WIDGETS: { [widget: string]: string | undefined } = { cta: 'CTA Clicked', image: 'Linked Image Clicked' };

/** Tracks clicks on links that lead away, to files, or around images, and on elements with data-tl-widget. */
export function links(pixel: Pixel): void {
  const use = (e: Event) =>
    attempt(() => {
      const target = e.target as Element;
      const widget = target.closest<HTMLElement>('[data-tl-widget]');
      const link = target.closest('a');
      if ((e as MouseEvent).button > 1 || target.closest('[data-tl-event]')) {
        return; // What has a name of its own is told under that name alone.
      }
      const { href = '', hostname = '', pathname = '', protocol = '' } = link || {};
      const image = (link || target).querySelector('img');
      const name =
        (widget && WIDGETS[widget.dataset.tlWidget!]) ||
        (href && protocol !== 'javascript:' &&
          (FILE.test(pathname) || link!.hasAttribute('download')
            ? 'File Downloaded'
            : hostname !== location.hostname
              ? 'Outbound Link Clicked'
              : image && 'Linked Image Clicked'));
      if (name) {
        pixel.track(name, {
          href,
          text: (widget || link)!.textContent!.trim().slice(0, 80) || (image && image.alt) || undefined,
          image: image ? image.src : undefined,
        });
      }
    });
  addEventListener('click', use, true);
  addEventListener('auxclick', use, true);
}
