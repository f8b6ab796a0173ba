/** A value that survives JSON. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json | undefined };

/** Free properties or traits, as the page's own code names them. */
export type Properties = { [key: string]: Json | undefined };

/** What the page was when an event happened. The page's own properties may override it. */
export interface PageProperties {
  /** Full address, with the click token `mt` on the page view that brought it. */
  url: string;
  /** Address of the page before: `document.referrer`, after a soft navigation the address left. */
  referrer: string;
  title: string;
}

/** One thing that happened. Its id and time are fixed when it happens, so that a second sending changes nothing. */
export interface TouchlineEvent {
  type: 'page' | 'track' | 'identify';
  /** UUID version 7; what the edge recognises copies by. */
  messageId: string;
  /** The first-party device id. */
  anonymousId: string;
  /** The site's own id of its user, from the last `identify` in this browser. */
  userId?: string;
  /** ISO 8601, UTC, by the visitor's clock. */
  timestamp: string;
  /** Name of a `track` event. */
  event?: string;
  properties: Properties;
  /** What `identify` says of the user: `phone` and `email` name a person too. */
  traits?: Properties;
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
}

/** The one global function. The first argument says what is meant. */
export interface Touchline {
  (command: 'page', properties?: Properties): void;
  (command: 'track', name: string, properties?: Properties): void;
  (command: 'identify', userId: string | number | null, traits?: Properties): void;
  (command: 'identify', traits: Properties): void;
  /** Forgets user and device: for a sign-out on a shared device. */
  (command: 'reset'): void;
}
