// The first page: reads the API every few seconds and redraws what has changed.

import { Refused, download, dropToken, keepToken, read, takeToken } from "./api.js";
import { showBooks } from "./books.js";
import { byId, options } from "./dom.js";
import { showFindings } from "./findings.js";
import { dayStart, moment, words } from "./format.js";
import { showPaging, showTable } from "./table.js";
import { showTotals } from "./totals.js";

const EVERY = 4000; // milliseconds between two readings; a guess
const PAGE = 50; // rows

const state = {
  workspace: null,
  policy: null,
  cursors: [null], // of each page up to this one
  next: null,
  drawn: {}, // what each part was last drawn from
  readAt: null,
  timer: 0,
  turn: 0, // counts readings, so that a late answer of an old one is dropped
};

function filters() {
  const form = new FormData(byId("filters"));
  const of = (name) => form.get(name) || "";
  const zone = state.workspace.timezone;
  return {
    model: of("model"), conversion: of("conversion"), channel: of("channel"), template: of("template"), campaign: of("campaign").trim(),
    from: of("from") && dayStart(of("from"), zone), to: of("to") && dayStart(of("to"), zone, 1),
  };
}

// refresh reads everything once and draws it.
async function refresh() {
  clearTimeout(state.timer);
  const turn = ++state.turn;
  try {
    await readAll(turn);
    if (turn === state.turn) notice("");
  } catch (error) {
    if (turn !== state.turn) return;
    if (error instanceof Refused) return signOut(error.message);
    const since = state.readAt ? ` These figures are of ${moment(state.readAt, state.workspace.timezone)}.` : "";
    notice(`The API does not answer (${error.message}).${since} Trying again.`);
  }
  if (turn === state.turn && !document.hidden) state.timer = setTimeout(refresh, EVERY);
}

async function readAll(turn) {
  const [workspace, policy] = await Promise.all([read("/v1/workspaces/current"), read("/v1/policy")]);
  if (turn !== state.turn) return;
  showWorkspace(workspace.value, policy.value);
  const asked = filters();
  const time = { from: asked.from, to: asked.to };
  const cursor = state.cursors.at(-1);
  const [table, totals, books, diagnostics] = await Promise.all([
    read("/v1/attributions", { ...asked, order: "desc", limit: PAGE, cursor }),
    read("/v1/totals", time), read("/v1/ingestion"), read("/v1/diagnostics", time),
  ]);
  if (turn !== state.turn) return;
  state.next = table.value.next_cursor;
  state.readAt = new Date().toISOString();
  showChoices(totals.value);
  const settings = JSON.stringify([asked, state.cursors.length]);
  draw("books", books.text, () => showBooks(books.value));
  draw("reasons", diagnostics.text, () => showFindings(diagnostics.value));
  draw("totals", totals.text + settings, () => showTotals(totals.value, asked));
  // Cursors differ with every answer, rows do not.
  draw("table", JSON.stringify(table.value.data) + settings + diagnostics.text, () => showTable(table.value.data, {
    timeZone: state.workspace.timezone, model: asked.model, emptiness: emptiness(diagnostics.value, asked),
  }));
  showPaging(state.cursors.length - 1, table.value.data.length, state.next !== null);
}

// draw redraws a part only when what it shows has changed: no flicker, and nothing
// that is selected or scrolled is lost.
function draw(part, from, show) {
  if (state.drawn[part] === from) return;
  show();
  state.drawn[part] = from;
}

function showWorkspace(workspace, policy) {
  state.workspace = workspace;
  state.policy = policy.policy;
  byId("sign-in").hidden = true;
  byId("page").hidden = false;
  byId("sign-out").hidden = false;
  byId("where").hidden = false;
  byId("where").textContent = [workspace.name, workspace.demo ? "demo" : "", workspace.role].filter(Boolean).join(" · ");
  byId("zone").textContent = "Days of " + workspace.timezone;
  document.title = workspace.name + " · Touchline";
  options(byId("model"), state.policy.models, { label: words });
  if (state.policy.models.includes("last_touch")) byId("model").value = "last_touch"; // what most people mean
  options(byId("conversion"), state.policy.conversions.map((c) => c.name), { all: "All" });
}

function showChoices(totals) {
  const distinct = (values) => [...new Set(values.filter(Boolean))].sort();
  options(byId("channel"), distinct(totals.data.map((t) => t.channel)), { all: "All", label: words });
  options(byId("template"), distinct(totals.data.map((t) => t.template_name)), { all: "All" });
}

// emptiness says why the table is empty and what to do about it.
function emptiness(diagnostics, asked) {
  const narrowed = asked.conversion || asked.channel || asked.template || asked.campaign || asked.from || asked.to;
  const blocked = diagnostics.findings.find((f) => f.severity === "stop");
  if (blocked) return [blocked.title + ".", blocked.remedy];
  if (narrowed) return ["No row matches these filters.", "Clear them, or choose a wider time."];
  return ["No conversion has been concluded yet.", "While items are pending they are on their way; this page refreshes itself."];
}

function notice(text) {
  const line = byId("notice");
  line.hidden = text === "";
  if (line.textContent !== text) line.textContent = text;
}

function signOut(reason = "") {
  clearTimeout(state.timer);
  state.turn += 1;
  dropToken();
  Object.assign(state, { workspace: null, policy: null, cursors: [null], next: null, drawn: {}, readAt: null });
  for (const id of ["page", "sign-out", "where"]) byId(id).hidden = true;
  byId("sign-in").hidden = false;
  document.title = "Touchline";
  notice(reason);
  byId("token").focus();
}

function turnTo(cursors) {
  state.cursors = cursors;
  refresh();
}

async function save() {
  const { from, to, ...rest } = filters();
  const button = byId("download");
  button.disabled = true;
  try {
    const address = URL.createObjectURL(await download("/v1/attributions", { ...rest, from, to }));
    const link = document.createElement("a");
    link.href = address;
    link.download = "attributions.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  } catch (error) {
    notice("The file could not be read: " + error.message);
  } finally {
    button.disabled = false;
  }
}

function start() {
  byId("sign-in-form").addEventListener("submit", (event) => {
    event.preventDefault();
    keepToken(byId("token").value);
    byId("token").value = "";
    notice("");
    refresh();
  });
  byId("sign-out").addEventListener("click", () => signOut());
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("change", () => turnTo([null]));
  byId("filters").addEventListener("reset", () => setTimeout(() => turnTo([null])));
  byId("older").addEventListener("click", () => state.next && turnTo([...state.cursors, state.next]));
  byId("newer").addEventListener("click", () => state.cursors.length > 1 && turnTo(state.cursors.slice(0, -1)));
  byId("download").addEventListener("click", save);
  document.addEventListener("visibilitychange", () => !document.hidden && state.workspace && refresh());
  window.addEventListener("hashchange", () => takeToken() && refresh());
  if (takeToken()) refresh();
  else signOut();
}

start();
