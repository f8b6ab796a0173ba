export type { Batch, Json, Options, PageProperties, Properties, Touchline, TouchlineEvent } from './payload';
export { start } from './start';
export { whenShown } from './whenShown';
