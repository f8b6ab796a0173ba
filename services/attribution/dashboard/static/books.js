import { byId, make } from "./dom.js";
import { count } from "./format.js";

const TERMS = [
  ["accepted", "Accepted", "Acknowledged to the sender"],
  ["stored", "Stored", "New facts"],
  ["duplicate", "Duplicate", "Said before, word for word"],
  ["conflict", "Conflict", "Copies that disagree with one before"],
  ["rejected", "Rejected", "Refused, kept in quarantine"],
  ["pending", "Pending", "On the way into the table"],
];

// balanced says in a sentence whether every accepted item is accounted for.
export function balanced(books) {
  const counted = books.stored + books.duplicate + books.conflict + books.rejected + books.pending;
  const gap = books.accepted - counted;
  if (gap !== 0) {
    const what = gap > 0 ? "accepted and nowhere to be found" : "counted and never accepted";
    return { good: false, text: `The books do not balance: ${count(Math.abs(gap))} ${Math.abs(gap) === 1 ? "item is" : "items are"} ${what}.` };
  }
  if (books.accepted === 0) return { good: true, text: "Nothing has been accepted yet." };
  if (books.pending > 0) return { good: true, text: "The books balance. The table is being brought up to date." };
  return { good: true, text: "The books balance, and the table is up to date." };
}

export function showBooks(books) {
  byId("books-terms").replaceChildren(...TERMS.map(([name, title, meaning]) =>
    make("div", { class: "term term-" + name }, make("dt", { title: meaning }, title), make("dd", {}, count(books[name])))));
  const verdict = balanced(books);
  const line = byId("books-verdict");
  line.textContent = verdict.text;
  line.dataset.good = verdict.good;
}
