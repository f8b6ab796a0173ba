import { createQueue, type Post } from './createQueue';
import { createSender } from './createSender';
import { attempt } from './lib/attempt';
import { createId } from './lib/createId';
import { getSignals } from './lib/getSignals';
import { hideParam } from './lib/hideParam';
import { isNewVisit } from './lib/isNewVisit';
import { readStored } from './lib/readStored';
import { toJson } from './lib/toJson';
import { writeStored } from './lib/writeStored';
import { onHidden } from './onHidden';
import { onMarked } from './onMarked';
import { onNavigate } from './onNavigate';
import type { Consent, Options, Properties, Touchline, TouchlineEvent } from './payload';

/** Names of what is kept in the browser: device, whether the server knows it, user, visit, consent. */
const enum Name {
  Device = '_tl',
  Fresh = '_tld',
  User = '_tlu',
  Visit = '_tlv',
  Consent = '_tlc',
}

/** The event that tells of a withdrawal. */
const WITHDRAWN = 'Consent Withdrawn';

/** A command and what goes with it. */
type Call = ArrayLike<any>;

/**
 * Starts the pixel: sends the page view, follows navigation, returns the function that takes commands.
 * In two halves, so that neither keeps the page waiting: at once what must not be late, which
 * is to listen and to take what the page may replace; and in a task of its own, or before the
 * first thing that happens, what reads, keeps and sends. `calls` came before; they follow the page view.
 */
export function start(options: Options, calls: Call[] | undefined = []): Touchline {
  /** How long a visit lasts without a page view, in milliseconds. */
  const PAUSE = 18e5;
  let signals = getSignals();
  const objected = signals && (signals.gpc || options.dnt);
  let required = options.consent === 'required';
  let consent: unknown;
  let device = '';
  let fresh: string | undefined;
  let user: string | undefined;
  let adopted: string | undefined;
  let handover: string | undefined;
  /** The visit: when its last page was viewed, its id, the address of its first page and that one's referrer. */
  let visit: string[] = [];
  let referrer = document.referrer;
  let current = '';
  let pending: [unknown, Properties?] | undefined;
  /** What modules know of the visitor's decision before the first view. */
  let decided: Consent | undefined;

  /** Whether ids may be sent, and whether some may be kept on the device. */
  const mayName = () => !objected && consent !== 'denied' && (consent === 'granted' || !required);
  const mayKeep = () => mayName() && (consent === 'granted' || !options.cookieless);

  /** Reads what is kept, as far as that may be done. */
  const load = () => {
    consent = readStored(Name.Consent) || options.consent;
    if (mayKeep()) {
      device = readStored(Name.Device) || '';
      fresh = readStored(Name.Fresh);
      user = readStored(Name.User);
      visit = (readStored(Name.Visit) || '').split(' ');
    }
  };

  const newId = () => createId(Date.now(), crypto.getRandomValues(new Uint8Array(20)));

  const sender = createSender(options.endpoint, options.cookie === 'include');
  const post: Post = (events, leaving, done) =>
    sender(
      `{"writeKey":${toJson(options.key)},"sentAt":"${new Date().toISOString()}","batch":[${events}]}`,
      // The server's own cookie goes along once more, so that the server takes it away.
      mayName() || events.indexOf(WITHDRAWN) > 0,
      leaving,
      (settled, answer) => {
        // The server has seen the new id now, and may have known an older one.
        if (settled && fresh && device && events.indexOf(device) > 0) {
          const known = /"anonymousId":"([\w.-]+)"/.exec(answer!);
          if (known) {
            writeStored(Name.Device, (device = known[1]));
          }
          writeStored(Name.Fresh, (fresh = ''));
        }
        done(settled);
      },
    );
  const queue = createQueue(post, mayKeep);

  const add = (type: TouchlineEvent['type'], properties?: Properties, more?: Partial<TouchlineEvent>) => {
    const messageId = newId();
    const keeps = mayKeep();
    let handed: string | undefined;
    if (keeps && !device) {
      handed = handover;
      writeStored(Name.Device, (device = adopted || newId()));
      writeStored(Name.Fresh, (fresh ||= 'new'));
    }
    queue.add_(
      messageId,
      toJson({
        type,
        messageId,
        anonymousId: (keeps && device) || undefined,
        userId: (mayName() && user) || undefined,
        timestamp: new Date().toISOString(),
        consent: consent && consent !== 'required' ? consent : 'unknown',
        signals,
        device: (keeps && fresh) || undefined,
        cookieless: (options.cookieless && !keeps && !objected) || undefined,
        handover: handed,
        ...more,
        properties: {
          url: location.href,
          referrer,
          title: document.title,
          session: { id: visit[1], landing: visit[2], referrer: visit[3] },
          ...properties,
        },
      })!,
    );
  };

  const track = (event: string, properties?: Properties) => {
    begin();
    add('track', properties, { event: `${event}` });
  };

  const address = () => (options.hash ? location.href : location.href.split('#')[0]);

  /** The address of the page that is viewed now, whose token leaves the address bar. */
  const arrive = () => {
    const { href } = location;
    if (!options.keepToken) {
      hideParam('mt');
    }
    current = address();
    return href;
  };

  const view = (properties?: Properties) => {
    const href = arrived || arrive();
    arrived = '';
    const now = Date.now();
    if (!(now - +visit[0] < PAUSE) || isNewVisit(href, visit[2])) {
      visit = ['', newId(), href, referrer];
    }
    visit[0] = `${now}`;
    if (mayKeep()) {
      writeStored(Name.Visit, `${now} ${visit[1]} ${visit[2]} ${visit[3]}`);
    }
    attempt(() => add('page', { url: href, ...properties }));
  };

  const identify = (id: unknown, traits?: Properties) => {
    pending = [id, traits];
    if (!mayName()) {
      return; // Until consent is granted.
    }
    pending = undefined;
    if (id && typeof id === 'object') {
      traits = id as Properties;
    } else if (id != null && id !== '') {
      user = `${id}`;
      if (mayKeep()) {
        writeStored(Name.User, user);
      }
    }
    add('identify', undefined, { traits });
  };

  const forget = () => {
    writeStored(Name.Device, (device = ''));
    writeStored(Name.Fresh, (fresh = ''));
    writeStored(Name.User, (user = ''));
  };

  /** Does what a decision brings about. */
  const decide = (next: Consent) => {
    const kept = mayKeep();
    if (!kept) {
      queue.flush_();
    }
    consent = next;
    // An objection has to be remembered where consent is taken for given.
    writeStored(Name.Consent, objected || (required && next !== 'granted') ? '' : next);
    if (next === 'denied') {
      queue.forget_();
      forget();
      writeStored(Name.Visit, '');
      if (kept) {
        track(WITHDRAWN);
      }
    } else if (!kept && mayKeep()) {
      const landed = visit;
      load();
      consent = next;
      if (landed[1]) {
        visit = landed;
        // The views so far were nobody's. How this visitor came is told once more.
        view({ url: visit[2], referrer: visit[3] });
      }
    }
    if (pending) {
      identify(pending[0], pending[1]);
    }
  };

  const commands: { [name: string]: (first: any, second?: Properties) => void } = {
    page: view,
    track,
    identify,
    consent: decide,
    reset: () => {
      forget();
      fresh = 'reset';
    },
  };

  const run = (command: string, first?: any, second?: any) => {
    attempt(() => {
      begin();
      commands[command](first, second);
    });
  };

  /** The second half, once. It does not throw, and what fails of it takes nothing else along. */
  const begin = () => {
    const waiting = calls;
    if (!waiting) {
      return;
    }
    calls = undefined;
    attempt(load);
    attempt(() => decided && decide(decided));
    attempt(view);
    for (let i = 0; i < waiting.length; i++) {
      attempt(() => run.apply(0, waiting[i] as any));
    }
    attempt(queue.drain_);
    attempt(search);
  };

  const use = options.use || [];
  for (let i = 0; i < use.length; i++) {
    attempt(() =>
      use[i]({
        options,
        // The first view waits for all modules to have said whether consent is needed.
        track: (name, properties) => (calls ? (calls[calls.length] = ['track', name, properties]) : track(name, properties)),
        consent: (state) => (calls ? (decided = state) : decide(state)),
        need: () => (required = true),
        signal: (name, value) => ((signals ||= {})[name] = value),
        device: () => (mayKeep() && device) || undefined,
        adopt: (id, token) => {
          adopted = id;
          handover = token;
        },
      }),
    );
  }

  /** The address that the first view is of, until it was viewed. */
  let arrived = arrive();
  // Of the address being left, what the next page view calls its referrer.
  let left = location.href;
  // Before what listens: whatever of that fails, the page is viewed.
  setTimeout(begin);
  onNavigate(begin, (restored) => {
    const moved = address() !== current;
    begin();
    if (restored) {
      load();
    } else if (moved) {
      referrer = left;
    }
    if (restored || moved) {
      view();
    }
    left = location.href;
  });
  const search = onMarked(track);
  onHidden((gone) => {
    begin();
    queue.flush_(true);
    if (gone) {
      queue.release_();
    }
  });
  addEventListener('storage', (e) => /^_tl.?$/.test(e.key!) && load());
  return run;
}
