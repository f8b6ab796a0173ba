import { byId, make } from "./dom.js";
import { amount, count, lag, moment, percent, words } from "./format.js";

// showTable draws a page of the attribution table; emptiness explains why there is
// none.
export function showTable(rows, { timeZone, model, emptiness }) {
  const table = byId("attribution");
  byId("attribution-caption").textContent = rows.length === 0 ? "" :
    `One row a conversion and touchpoint, by ${words(model)}; the latest first. Times in ${timeZone}.`;
  table.tBodies[0].replaceChildren(...rows.map((row) => tableRow(row, timeZone)));
  table.hidden = rows.length === 0;
  const empty = byId("attribution-empty");
  empty.hidden = rows.length > 0;
  empty.replaceChildren(...emptiness.map((line) => make("p", {}, line)));
}

function tableRow(r, timeZone) {
  const unattributed = r.channel === "unattributed";
  return make("tr", { role: "row", class: unattributed ? "unattributed" : null },
    cell("When", make("time", { datetime: r.event_at }, moment(r.event_at, timeZone))),
    cell("Conversion", r.conversion, sub(r.order_id ? "order " + r.order_id : r.event), r.in_thread ? sub("in the chat") : null),
    cell("Value", amount(r.value, r.currency), { n: true }),
    cell("Earned by", unattributed ? "nothing" : words(r.channel), r.tier ? make("span", { class: "tier" }, r.tier) : null, sub(touched(r, timeZone))),
    cell("Message", r.template_name || (r.message_id ? "no template" : "–"), sub([r.campaign, r.variant].filter(Boolean).join(" · ")), sub(stages(r))),
    cell("Lag", lag(r.lag_seconds), { n: true }),
    cell("Weight", percent(r.weight, 1), { n: true }),
    cell("Credited", amount(r.credited_value, r.currency), { n: true }),
    cell("Person", person(r)));
}

// cell labels itself, for narrow screens show no header. Rows and cells name their
// roles, for there they are no table to CSS, and browsers would forget that they are one.
function cell(label, ...content) {
  const numeric = content.some((c) => c && c.n === true);
  return make("td", { role: "cell", "data-label": label, class: numeric ? "n" : null },
    make("div", { class: "cell" }, ...content.filter((c) => !(c && c.n === true))));
}

function sub(text) {
  return text ? make("span", { class: "sub" }, text) : null;
}

function touched(r, timeZone) {
  return r.touch_at ? moment(r.touch_at, timeZone) : "";
}

// stages is how far the message got.
function stages(r) {
  const reached = ["failed", "replied", "clicked", "read", "delivered", "sent"].filter((stage) => r[stage + "_at"]);
  return reached.slice(0, 3).reverse().join(", ");
}

function person(r) {
  if (r.phone) return r.phone;
  return r.person_id ? make("span", { class: "id", title: r.person_id }, r.person_id.slice(0, 8)) : "unknown";
}

// showPaging says which page this is and which neighbours it has.
export function showPaging(page, rows, more) {
  byId("newer").disabled = page === 0;
  byId("older").disabled = !more;
  byId("page-number").textContent = rows === 0 ? "" : `Page ${count(page + 1)}`;
  byId("paging").hidden = page === 0 && !more;
}
