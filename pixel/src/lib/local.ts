import { attempt } from './attempt';

// localStorage, which may be refused, be full, or be missing: then nothing is read and 0 is answered to a write.

export const readLocal = (name: string): string | null | undefined => attempt(() => localStorage.getItem(name));

export const writeLocal = (name: string, value: string): unknown => attempt(() => (localStorage.setItem(name, value), 1));

export const dropLocal = (name: string): unknown => attempt(() => localStorage.removeItem(name));
