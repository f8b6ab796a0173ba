/** A value that survives JSON. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json | undefined };

/** Free properties or traits, as the page's own code names them. */
export type Properties = { [key: string]: Json | undefined };

/** What a visitor decided about being measured. */
export type Consent = 'unknown' | 'denied' | 'granted';

/** What the page was when an event happened. The page's own properties may override it. */
export interface PageProperties {
  /** Full address, with the click token `mt` on the page view that brought it. */
  url: string;
  /** Address of the page before: `document.referrer`, after a soft navigation the address left. */
  referrer: string;
  title: string;
  session: Session;
}

/** The visit that an event belongs to: it ends after 30 minutes without a page view, or with a new campaign. */
export interface Session {
  /** UUID version 7. */
  id: string;
  /** Address of its first page, as it was opened: with campaign parameters, click ids and the click token. */
  landing: string;
  /** `document.referrer` of its first page. */
  referrer: string;
}

/** Privacy signals that were present when an event happened. */
export interface Signals {
  /** Global Privacy Control was on. */
  gpc?: true;
  /** Do Not Track was on. */
  dnt?: true;
  /** Google Consent Mode: its storage types, each "granted" or "denied". */
  gcm?: { [type: string]: string };
  /** The TC string of IAB TCF v2. */
  tcf?: string;
}

/** One thing that happened. Its id and time are fixed when it happens, so that a second sending changes nothing. */
export interface TouchlineEvent {
  type: 'page' | 'track' | 'identify';
  /** UUID version 7; what the edge recognises copies by. */
  messageId: string;
  /** The first-party device id; missing where nothing may be kept on the device. */
  anonymousId?: string;
  /** The site's own id of its user, from the last `identify` in this browser. */
  userId?: string;
  /** ISO 8601, UTC, by the visitor's clock. */
  timestamp: string;
  /** Name of a `track` event. */
  event?: string;
  properties: Properties;
  /** What `identify` says of the user: `phone` and `email` name a person too. */
  traits?: Properties;
  /** The visitor's decision when the event happened. */
  consent: Consent;
  signals?: Signals;
  /** The device id was just made (because none was kept, or after `reset`), and no request with it has been answered yet. */
  device?: 'new' | 'reset';
  /** The edge shall give the event a device id that lasts a day, because this browser keeps none. */
  cookieless?: true;
  /** The signed parameter `_tlx` that the device id was taken from. */
  handover?: string;
}

/** The body of one request. */
export interface Batch {
  writeKey: string;
  /** ISO 8601, UTC, by the visitor's clock: its error is taken off the events' times. */
  sentAt: string;
  batch: TouchlineEvent[];
}

/** How a site runs the pixel. */
export interface Options {
  /** Write key of the pixel's source. */
  key: string;
  /** Where batches go; absolute, or a path of the site itself. */
  endpoint: string;
  /** Leave the click token in the address bar (for sites whose own code reads `mt`). */
  keepToken?: boolean;
  /** `required`: keep nothing and send no id until consent is granted. A state: what holds until the page says otherwise. */
  consent?: Consent | 'required';
  /** Keep nothing in the browser and let the edge give ids that last a day, unless consent is granted. */
  cookieless?: boolean;
  /** Treat Do Not Track as Global Privacy Control is treated always. */
  dnt?: boolean;
  /** A change of the hash is a page view too. */
  hash?: boolean;
  /** `include`: the endpoint is of the same site though its host is no parent or child of the page's, so cookies go along. */
  cookie?: 'include';
  /** Hosts that the device id is handed over to (module `domains`), their subdomains included. */
  domains?: string | string[];
  /** Modules to run. */
  use?: Module[];
}

/** What a module works with. */
export interface Pixel {
  options: Options;
  track(name: string, properties?: Properties): void;
  /** States the visitor's decision. */
  consent(state: Consent): void;
  /** From now on nothing is kept and no id is sent until consent is granted. */
  need(): void;
  /** Adds a signal to all later events. */
  signal<Name extends keyof Signals>(name: Name, value: Signals[Name]): void;
  /** The device id; undefined where none may be sent, or none is there yet. */
  device(): string | undefined;
  /** Offers the device id of a hand-over, for a visitor who has none yet. */
  adopt(id: string, handover: string): void;
}

/** An optional part of the pixel. It runs before the first page view. */
export type Module = (pixel: Pixel) => void;

/** The one global function. The first argument says what is meant. */
export interface Touchline {
  (command: 'page', properties?: Properties): void;
  (command: 'track', name: string, properties?: Properties): void;
  (command: 'identify', userId: string | number | null, traits?: Properties): void;
  (command: 'identify', traits: Properties): void;
  /** The visitor's decision; "denied" deletes what is kept. */
  (command: 'consent', state: Consent): void;
  /** Forgets user and device: for a sign-out on a shared device. */
  (command: 'reset'): void;
}
