import { attempt } from './lib/attempt';
import type { Touchline } from './payload';
import { start } from './start';
import { whenShown } from './whenShown';

/** The page's queue stub: collects calls in q until the pixel takes them over by putting itself in q's place. */
type Stub = Touchline & { q?: { push(call: ArrayLike<unknown>): void }; on?: 1 };

// The script tag's program: everything is said by the tag's data attributes.
attempt(() => {
  const page = window as { touchline?: Stub };
  const tag = (document.currentScript || document.querySelector('script[data-key]')) as HTMLScriptElement;
  const { key, endpoint, disabled, keepToken } = tag.dataset;
  const stub = (page.touchline =
    page.touchline ||
    (function () {
      (stub.q = stub.q || ([] as unknown[])).push(arguments);
    } as Stub));
  if (stub.on || !key) {
    return; // A second tag would count every page twice.
  }
  stub.on = 1;
  whenShown(() => {
    const queued = stub.q as unknown[][] | undefined;
    const run =
      disabled === undefined
        ? (start({
            key,
            endpoint: endpoint || new URL('/e', tag.src).href,
            keepToken: keepToken !== undefined,
          }) as (...call: unknown[]) => void)
        : () => {};
    // The stub stays, for who already holds it: its calls now arrive here.
    stub.q = { push: (call: ArrayLike<unknown>) => run(...Array.from(call)) };
    Array.from(queued || []).forEach(stub.q.push);
  });
});
