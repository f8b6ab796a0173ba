import { canKeepAlive } from './createSender';
import { attempt } from './lib/attempt';
import { getDelay } from './lib/getDelay';
import { dropLocal, readLocal, writeLocal } from './lib/local';
import { withLock } from './lib/withLock';

/** Names of kept events begin with this, and end with the event's id: one name each, so that tabs don't overwrite each other. */
const PREFIX = '_tlq';

/** The queue's limits. */
const enum Limit {
  /** Characters that kept events may take, names included. */
  Room = 262144,
  /** How old a kept event may become, and how old it is when its tab is taken to be gone, in milliseconds. */
  Oldest = 6048e5,
  Orphan = 1e4,
  /** Characters of a request's events, of which one may be longer: so that fetch may outlive the page. */
  Longest = 19e3,
  /** How long an event waits for company while a request is under way, in milliseconds. */
  Wait = 250,
}

/** What happened to an event so far. */
const enum State {
  New,
  Failed,
  Flying,
}

/** An event on its way: its id, its JSON, whether it is in localStorage too, and what happened so far. */
interface Item {
  id: string;
  text: string;
  kept_: unknown;
  state_: State;
}

/** Sends events, which are JSON with commas between. */
export type Post = (events: string, leaving: boolean, done: (settled: unknown) => void) => void;

/**
 * Holds events until a request with them was answered, in memory and, where
 * mayKeep() allows, in localStorage for pages to come. The first try is made at once by
 * the tab where it happened; all others under a lock that tabs share.
 */
export function createQueue(post: Post, mayKeep: () => boolean) {
  let own: { [id: string]: Item } = Object.create(null);
  let flying = 0;
  let failures = 0;
  let timer: number | undefined;
  let retry: number | undefined;

  /** Calls back with the id and text of each kept event. */
  const eachKept = (callback: (id: string, text: string) => void) => {
    attempt(() => {
      for (const name in localStorage) {
        if (name.startsWith(PREFIX)) {
          callback(name.slice(PREFIX.length), readLocal(name) || '');
        }
      }
    });
  };

  const later = () => {
    retry ||= setTimeout(drain, getDelay(failures, Math.random()));
  };

  /** Sends one batch of the events in certain states, if there are any, and calls back when it was answered. */
  const send = (states: (state: State) => boolean, leaving: boolean, then?: (settled: unknown) => void) => {
    const batch: Item[] = [];
    let events = '';
    for (const id in own) {
      const item = own[id];
      if (states(item.state_) && (!events || events.length + item.text.length < Limit.Longest)) {
        events += (events && ',') + item.text;
        item.state_ = State.Flying;
        batch[batch.length] = item;
      }
    }
    if (!events) {
      return;
    }
    flying++;
    post(events, leaving, (settled) => {
      flying--;
      for (let i = 0; i < batch.length; i++) {
        const { id } = batch[i];
        batch[i].state_ = State.Failed;
        if (settled) {
          delete own[id];
          dropLocal(PREFIX + id);
        }
      }
      if (settled) {
        failures = 0;
      } else {
        failures++;
        later();
      }
      then && then(settled);
    });
    return 1;
  };

  /** Sends what was not tried yet; when the page is leaving, everything whose fate is not in good hands. */
  const flush = (leaving?: boolean) => {
    timer = clearTimeout(timer) as undefined;
    if (leaving && !canKeepAlive()) {
      for (const id in own) {
        own[id].state_ = State.New;
      }
    }
    while (send((state) => state < (leaving ? State.Flying : State.Failed), !!leaving)) {}
  };

  /** Sends again what failed, and what pages left that are gone. */
  const drain = () => {
    retry = clearTimeout(retry) as undefined;
    const work = (release?: () => void) => {
      let young: unknown;
      for (const id in own) {
        if (own[id].kept_ && !readLocal(PREFIX + id)) {
          delete own[id]; // Another tab has sent it meanwhile.
        }
      }
      if (mayKeep()) {
        eachKept((id, text) => {
          const age = Date.now() - parseInt(id.replace('-', ''), 16);
          if (age > Limit.Oldest) {
            dropLocal(PREFIX + id);
          } else if (!own[id]) {
            if (text[0] === ' ' || age > Limit.Orphan || age < 0) {
              own[id] = { id, text, kept_: 1, state_: State.Failed };
            } else {
              young = 1;
            }
          }
        });
      }
      const next = (settled: unknown) => {
        if (!settled || !send((state) => state === State.Failed, false, next)) {
          release?.();
          if (young) {
            later();
          }
        }
      };
      next(1);
    };
    if (mayKeep()) {
      withLock('_tll', work, later);
    } else {
      work(); // A lock may have to be kept, and nothing is shared that needs one.
    }
  };

  addEventListener('online', () => {
    failures = 0; // Of the time without a network; "online" comes a little before there is one.
    drain();
  });

  return {
    /** Takes an event in. */
    add_(id: string, text: string) {
      let length = text.length;
      let kept;
      if (mayKeep()) {
        eachKept((_, text) => (length += text.length + 40));
        kept = length < Limit.Room && writeLocal(PREFIX + id, text);
      }
      own[id] = { id, text, kept_: kept, state_: State.New };
      timer ||= setTimeout(flush, flying ? Limit.Wait : 0);
    },
    flush_: flush,
    drain_: drain,
    /** The page is gone: what it kept is free for others, which a space before it says. */
    release_() {
      for (const id in own) {
        if (own[id].kept_) {
          writeLocal(PREFIX + id, ' ' + own[id].text);
        }
      }
    },
    /** Deletes everything that was not sent. */
    forget_() {
      own = Object.create(null);
      eachKept((id) => dropLocal(PREFIX + id));
    },
  };
}
