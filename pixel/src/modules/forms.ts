import { attempt } from '../lib/attempt';
import type { Pixel } from '../payload';

/** How long a page may take to draw itself after a click, in milliseconds. */
const DRAWN = 1000;

/**
 * Tracks that a form was started, submitted or left, and which field was last: its
 * name, never its content.
 */
export function forms(pixel: Pixel): void {
  /** The forms that somebody filled in and did not submit, each with its last field. */
  const open = new Map<HTMLFormElement, string>();
  /** Those whose content was collected since: form.submit() gives no other sign. */
  const collected = new WeakSet<HTMLFormElement>();

  const tell = (what: string, form: HTMLFormElement, field?: string) => {
    const read = (name: string) => form.getAttribute(name);
    pixel.track('Form ' + what, { form: read('id') || read('name') || read('action') || '', field });
  };

  const fill = (e: Event) =>
    attempt(() => {
      const field = e.target as HTMLInputElement;
      const { form } = field;
      if (form) {
        if (!open.has(form)) {
          tell('Started', form);
        }
        collected.delete(form);
        open.set(form, field.name || field.id);
      }
    });
  const submit = (e: Event) =>
    attempt(() => {
      const form = e.target as HTMLFormElement;
      if (e.type === 'submit') {
        tell('Submitted', form);
        open.delete(form);
      } else {
        collected.add(form);
      }
    });
  const leave = (gone?: boolean) =>
    open.forEach((field, form) => {
      if (gone || !form.isConnected) {
        open.delete(form);
        attempt(() => (collected.has(form) ? tell('Submitted', form) : tell('Abandoned', form, field)));
      }
    });

  addEventListener('input', fill, true);
  addEventListener('change', fill, true);
  addEventListener('submit', submit, true);
  addEventListener('formdata', submit, true);
  addEventListener('pagehide', () => leave(true), true);
  // What follows a click may take a form off the page without leaving the page.
  addEventListener('click', () => setTimeout(leave, DRAWN), true);
}
