/**
 * A UUID of version 7: 48 bits of time in milliseconds, then 74 random bits, four of
 * each of the bytes given. `crypto.randomUUID` is not used: it is missing on plain
 * http and gives version 4, whose order in the database's indexes is random.
 */
export function createId(now: number, random: Uint8Array): string {
  const time = now.toString(16).padStart(12, '0');
  let i = 0;
  let j = 0;
  return 'tttttttt-tttt-7rrr-vrrr-rrrrrrrrrrrr'.replace(/[trv]/g, (part) =>
    part === 't' ? time[i++] : (part === 'r' ? random[j++] & 15 : (random[j++] & 3) | 8).toString(16),
  );
}
