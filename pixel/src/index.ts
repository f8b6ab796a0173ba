export { domains } from './modules/domains';
export { forms } from './modules/forms';
export { ga4 } from './modules/ga4';
export { gcm } from './modules/gcm';
export { links } from './modules/links';
export { tcf } from './modules/tcf';
export type {
  Batch, Consent, Json, Module, Options, PageProperties, Pixel, Properties, Session, Signals, Touchline, TouchlineEvent,
} from './payload';
export { start } from './start';
export { whenShown } from './whenShown';
