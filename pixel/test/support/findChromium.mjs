import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Path of a Chromium on this machine: TOUCHLINE_CHROMIUM, else the first of the usual names on the PATH; undefined without one. */
export function findChromium() {
  const folders = (process.env.PATH || '').split(delimiter);
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  const candidates = [process.env.TOUCHLINE_CHROMIUM, ...names.flatMap((name) => folders.map((f) => join(f, name)))];
  return candidates.filter(Boolean).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
