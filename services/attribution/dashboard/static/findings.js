import { byId, make } from "./dom.js";
import { count, percent } from "./format.js";

const SEVERITY = { stop: "Blocks", warn: "Check", note: "Note" };

export function showFindings(diagnostics) {
  const { conversions, messages } = diagnostics;
  byId("rates").replaceChildren(
    rate("Match rate", diagnostics.match_rate, "conversions of a known person"),
    rate("Attributed", diagnostics.attributed_rate, "conversions with a touchpoint"),
    make("div", { class: "rate" }, make("dt", {}, "Conversions"), make("dd", {}, count(conversions.total))),
    make("div", { class: "rate" }, make("dt", {}, "Messages"), make("dd", {}, count(messages.total))),
  );
  const list = byId("findings");
  if (diagnostics.findings.length === 0) {
    list.replaceChildren(make("li", { class: "fine" }, "Nothing stands in the way."));
    return;
  }
  const open = new Set([...list.querySelectorAll("details[open]")].map((d) => d.dataset.code));
  list.replaceChildren(...diagnostics.findings.map((f) => finding(f, open)));
}

function rate(title, share, of) {
  const text = share === null ? "–" : percent(share, 1);
  return make("div", { class: "rate" }, make("dt", { title: "Share of the " + of }, title), make("dd", {}, text));
}

function finding(f, open) {
  const size = f.of === null ? "" : `${count(f.count)} of ${count(f.of)}`;
  const number = size || (f.count > 1 ? count(f.count) : "");
  return make("li", {},
    make("details", { "data-code": f.code, open: f.severity === "stop" || open.has(f.code) },
      make("summary", {},
        make("span", { class: "severity " + f.severity }, SEVERITY[f.severity]),
        make("span", { class: "finding-title" }, f.title),
        number ? make("span", { class: "finding-count" }, number) : null),
      make("p", {}, f.meaning),
      make("p", { class: "remedy" }, make("strong", {}, "Next: "), f.remedy)));
}
