import { attempt } from './lib/attempt';
import { createId } from './lib/createId';
import { getPage } from './lib/getPage';
import { getRandom } from './lib/getRandom';
import { readStored } from './lib/readStored';
import { stripToken } from './lib/stripToken';
import { writeStored } from './lib/writeStored';
import { onHidden } from './onHidden';
import { onNavigate } from './onNavigate';
import type { Options, Properties, Touchline, TouchlineEvent } from './payload';
import { sendBatch } from './sendBatch';

/** How long an event waits for company, in milliseconds. A guess: long enough for the calls of one handler. */
const WAIT = 100;

/** Events a request carries at most; far below 64 KB for events of ordinary size. */
const MOST = 20;

/** Starts the pixel: sends the page view, follows navigation, returns the function that takes commands. */
export function start(options: Options): Touchline {
  let device = readStored('_tl') || '';
  let user = readStored('_tlu');
  let referrer = document.referrer;
  let current = '';
  // Already as text: a page that changes an object later, or one whose properties
  // can't be written as JSON, touches no other event.
  const waiting: string[] = [];

  const flush = () => {
    while (waiting.length) {
      const head = JSON.stringify({ writeKey: options.key, sentAt: new Date().toISOString() });
      sendBatch(options.endpoint, `${head.slice(0, -1)},"batch":[${waiting.splice(0, MOST)}]}`);
    }
  };

  const add = (type: TouchlineEvent['type'], properties?: Properties, more?: Partial<TouchlineEvent>) => {
    const now = new Date();
    const messageId = createId(+now, getRandom());
    if (!device) {
      writeStored('_tl', (device = createId(+now, getRandom())));
    }
    const event: TouchlineEvent = {
      type,
      messageId,
      anonymousId: device,
      userId: user,
      timestamp: now.toISOString(),
      ...more,
      properties: { ...getPage(referrer), ...properties },
    };
    if (waiting.push(JSON.stringify(event)) === 1) {
      setTimeout(flush, WAIT);
    }
  };

  const page = (properties?: Properties) => {
    add('page', properties);
    const stripped = stripToken(location.search);
    if (stripped !== location.search && !options.keepToken) {
      // The prototype's own: a wrapper on history would take this for a navigation.
      attempt(() =>
        History.prototype.replaceState.call(
          history,
          history.state,
          '',
          location.href.replace(location.search, () => stripped),
        ),
      );
    }
    current = location.pathname + location.search;
  };

  const commands: { [name: string]: (first: any, second?: Properties) => void } = {
    page,
    track: (event, properties) => add('track', properties, { event: String(event) }),
    identify: (id, traits) => {
      if (id && typeof id === 'object') {
        traits = id;
      } else if (id != null && id !== '') {
        writeStored('_tlu', (user = String(id)));
      }
      add('identify', undefined, { traits });
    },
    reset: () => {
      writeStored('_tl', (device = ''));
      writeStored('_tlu', '');
      user = undefined;
    },
  };

  // Of the address being left, what the next page view calls its referrer.
  let left = location.href;
  attempt(page);
  left = location.href;
  onNavigate((restored) => {
    if (restored || location.pathname + location.search !== current) {
      if (!restored) {
        referrer = left;
      }
      page();
    }
    left = location.href;
  });
  onHidden(flush);

  return (command: string, ...args: any[]) => {
    attempt(() => commands[command](args[0], args[1]));
  };
}
