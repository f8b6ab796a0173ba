/**
 * Runs something of the browser's that may be missing, refused or broken by the
 * page. A tracker never throws into its host: what fails is undefined.
 */
export function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {}
}
