import { attempt } from './lib/attempt';
import type { Module, Options, Touchline } from './payload';
import { start } from './start';
import { whenShown } from './whenShown';

/** The modules that the served file holds: package pixel (pixel.go) puts them before this program. */
declare const $modules: Module[];

/** The page's queue stub: collects calls in q until the pixel takes them over by putting itself in q's place. */
type Stub = Touchline & { q?: { push(call: ArrayLike<any>): void }; on?: 1 };

// The script tag's program: everything is said by the tag's data attributes, or, for
// tag managers that can't set any, by parameters of the same names in the script's address.
attempt(() => {
  const modules = $modules;
  const { currentScript } = document;
  const { src, dataset } = (currentScript || document.querySelector('script[data-key]')) as HTMLScriptElement;
  const address = new URL(src);
  const options: { [name: string]: any } = {
    endpoint: address.origin + '/e',
    ...Object.fromEntries(address.searchParams),
    ...dataset,
  };
  const begin = () => {
    const stub = ((window as { touchline?: Stub }).touchline ||= function () {
      (stub.q ||= [] as unknown[]).push(arguments);
    } as Stub);
    if (stub.on || !options.key) {
      return; // A second tag would count every page twice.
    }
    stub.on = 1;
    whenShown(() => {
      for (const name in options) {
        options[name] ||= true; // An attribute without a value.
      }
      options.use = modules;
      const run: (...call: any) => void = options.disabled ? () => {} : start(options as Options, stub.q as any);
      // The stub stays, for who already holds it: its calls now arrive here.
      stub.q = { push: (call) => attempt(() => run.apply(0, call as any[])) };
    });
  };
  if (currentScript && options.use && !modules.length) {
    // Named in the tag but not in the script's address: the file with them is another one.
    address.search = '?use=' + options.use;
    import(`${address}`).then(begin, begin);
  } else {
    begin();
  }
});
