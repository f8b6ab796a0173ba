import { byId, make } from "./dom.js";
import { addDecimals, amount, count, percent, words } from "./format.js";

const STAGES = ["sent", "delivered", "read", "clicked", "replied", "failed"];

export function showTotals(totals, { model, conversion, template, channel }) {
  const shown = totals.data
    .filter((t) => (!template || t.template_name === template) && (!channel || t.channel === channel))
    .map((t) => ({ ...t, credit: credit(t.credits, model, conversion) }))
    .filter((t) => t.messages > 0 || t.credit.rows > 0);
  byId("totals-caption").textContent = shown.length === 0 ? "" :
    `Credit by ${words(model)}, ${conversion ? "of " + conversion : "of all conversions"}. Shares are of what was sent.`;
  const table = byId("totals");
  table.tBodies[0].replaceChildren(...shown.map(templateRow));
  table.tFoot.replaceChildren(...(shown.length > 1 ? [sumRow(shown)] : []));
  table.hidden = shown.length === 0;
  const empty = byId("totals-empty");
  empty.hidden = shown.length > 0;
  empty.textContent = totals.data.length === 0
    ? "No message and no conversion in this time. Register what you send with POST /v1/messages, and choose a wider time."
    : "Nothing matches these filters.";
}

// credit adds what one model gives, of one conversion or of all.
function credit(credits, model, conversion) {
  const sum = { rows: 0, conversions: 0, values: {} };
  for (const c of credits) {
    if (c.model !== model || (conversion && c.conversion !== conversion)) continue;
    sum.rows += 1;
    sum.conversions += c.conversions;
    if (c.value !== null) sum.values[c.currency] = addDecimals(sum.values[c.currency] || "0", c.value);
  }
  return sum;
}

function templateRow(t) {
  return make("tr", {},
    make("th", { scope: "row" }, name(t),
      make("span", { class: "sub" }, [t.channel, t.template_language].filter(Boolean).map(words).join(" · "))),
    ...STAGES.map((stage) => stageCell(t, stage)),
    make("td", { class: "n" }, count(t.credit.conversions)),
    valueCell(t.credit.values));
}

// name says what a row without a template is.
function name(t) {
  if (t.template_name) return t.template_name;
  if (t.channel === "unattributed") return "No touchpoint";
  return t.messages > 0 ? "Without a template" : "Visits and ads";
}

function stageCell(t, stage) {
  if (t.messages === 0) return make("td", { class: "n none" }, "–");
  const share = stage === "sent" ? "" : percent(t[stage], t.sent);
  return make("td", { class: "n" }, count(t[stage]), t[stage] > 0 && share ? make("span", { class: "sub" }, share) : null);
}

function valueCell(values) {
  const all = Object.entries(values);
  if (all.length === 0) return make("td", { class: "n none" }, "–");
  return make("td", { class: "n" }, ...all.map(([currency, value]) => make("span", { class: "line" }, amount(value, currency))));
}

function sumRow(rows) {
  const values = {};
  for (const { credit: c } of rows) {
    for (const [currency, value] of Object.entries(c.values)) values[currency] = addDecimals(values[currency] || "0", value);
  }
  const total = (of) => rows.reduce((sum, r) => sum + of(r), 0);
  return make("tr", {},
    make("th", { scope: "row" }, "All"),
    ...STAGES.map((stage) => make("td", { class: "n" }, count(total((r) => r[stage])))),
    make("td", { class: "n" }, count(total((r) => r.credit.conversions))),
    valueCell(values));
}
