/** How long to wait before the next try, in milliseconds: 1 s doubled by every failure up to 5 min, of which up to half is left to chance (0 to 1). */
export function getDelay(failures: number, chance: number): number {
  return Math.min(1000 * 2 ** failures, 3e5) * (1 - chance / 2);
}
