/**
 * A UUID of version 7: 48 bits of time in milliseconds, then 74 random bits.
 * `crypto.randomUUID` is not used: it is missing on plain http and gives version 4,
 * whose order in the database's indexes is random.
 */
export function createId(now: number, random: Uint8Array): string {
  const hex = now.toString(16).padStart(12, '0') + Array.from(random, (b) => b.toString(16).padStart(2, '0')).join('');
  const variant = '89ab'[random[2] >> 6];
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/, `$1-$2-7$3-${variant}$4-$5`);
}
