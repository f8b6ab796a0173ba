import { attempt } from './attempt';

/** Ten random bytes; from Math.random where the browser has nothing better, since an id that may collide beats none. */
export function getRandom(): Uint8Array {
  const bytes = new Uint8Array(10);
  return attempt(() => crypto.getRandomValues(bytes)) || bytes.map(() => Math.random() * 256);
}
