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
const DEVICE = '_tl';
const FRESH = '_tld';
const USER = '_tlu';
const VISIT = '_tlv';
const CONSENT = '_tlc';

/** The event that tells of a withdrawal. */
const WITHDRAWN = 'Consent Withdrawn';

/** How long a visit lasts without a page view, in milliseconds. */
const PAUSE = 18e5;

/** Starts the pixel: sends the page view, follows navigation, returns the function that takes commands. */
export function start(options: Options): Touchline {
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

  /** Whether ids may be sent, and whether some may be kept on the device. */
  const mayName = () => !objected && consent !== 'denied' && (consent === 'granted' || !required);
  const mayKeep = () => mayName() && (consent === 'granted' || !options.cookieless);

  /** Reads what is kept, as far as that may be done. */
  const load = () => {
    consent = readStored(CONSENT) || options.consent;
    if (mayKeep()) {
      device = readStored(DEVICE) || '';
      fresh = readStored(FRESH);
      user = readStored(USER);
      visit = (readStored(VISIT) || '').split(' ');
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
            writeStored(DEVICE, (device = known[1]));
          }
          writeStored(FRESH, (fresh = ''));
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
      writeStored(DEVICE, (device = adopted || newId()));
      writeStored(FRESH, (fresh = fresh || 'new'));
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

  const track = (event: string, properties?: Properties) => add('track', properties, { event: `${event}` });

  const address = () => (options.hash ? location.href : location.href.replace(/#.*/, ''));

  const view = (properties?: Properties) => {
    const { href } = location;
    const now = Date.now();
    if (!(now - +visit[0] < PAUSE) || isNewVisit(href, visit[2])) {
      visit = ['', newId(), href, referrer];
    }
    visit[0] = `${now}`;
    if (mayKeep()) {
      writeStored(VISIT, `${now} ${visit[1]} ${visit[2]} ${visit[3]}`);
    }
    attempt(() => add('page', properties));
    if (!options.keepToken) {
      hideParam('mt');
    }
    current = address();
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
        writeStored(USER, user);
      }
    }
    add('identify', undefined, { traits });
  };

  const forget = () => {
    writeStored(DEVICE, (device = ''));
    writeStored(FRESH, (fresh = ''));
    writeStored(USER, (user = ''));
  };

  /** Does what a decision brings about. */
  const decide = (next: Consent) => {
    const kept = mayKeep();
    if (!kept) {
      queue.flush_();
    }
    consent = next;
    // An objection has to be remembered where consent is taken for given.
    writeStored(CONSENT, objected || (required && next !== 'granted') ? '' : next);
    if (next === 'denied') {
      queue.forget_();
      forget();
      writeStored(VISIT, '');
      if (kept) {
        track(WITHDRAWN);
      }
    } else if (!kept && mayKeep()) {
      const landed = visit;
      load();
      consent = next;
      visit = landed;
      // The views so far were nobody's. How this visitor came is told once more.
      view({ url: visit[2], referrer: visit[3] });
    }
    if (pending) {
      identify(...pending);
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

  load();
  const use = options.use || [];
  for (let i = 0; i < use.length; i++) {
    attempt(() =>
      use[i]({
        options,
        track,
        consent: decide,
        need: () => (required = true),
        signal: (name, value) => ((signals = signals || {})[name] = value),
        device: () => (mayKeep() && device) || undefined,
        adopt: (id, token) => {
          adopted = id;
          handover = token;
        },
      }),
    );
  }

  // Of the address being left, what the next page view calls its referrer.
  let left = location.href;
  attempt(view);
  left = location.href;
  onNavigate((restored) => {
    const moved = address() !== current;
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
  onMarked(track);
  onHidden((gone) => {
    queue.flush_(true);
    if (gone) {
      queue.release_();
    }
  });
  addEventListener('storage', (e) => /^_tl.?$/.test(e.key!) && load());
  queue.drain_();

  return (command: string, first?: any, second?: any) => {
    attempt(() => commands[command](first, second));
  };
}
