import { attempt } from './attempt';
import { stripParam } from './stripParam';

/** Takes a parameter out of the address bar. The prototype's replaceState: a wrapper on history would take this for a navigation. */
export function hideParam(name: string): void {
  const { href, search } = location;
  const stripped = stripParam(search, name);
  if (stripped !== search) {
    attempt(() => History.prototype.replaceState.call(history, history.state, '', href.replace(search, () => stripped)));
  }
}
