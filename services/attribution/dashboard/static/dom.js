// Elements from data. Text only ever becomes text nodes.

// make returns an element with attributes and children; children are elements, text,
// or nothing.
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

export function byId(id) {
  return document.getElementById(id);
}

// options makes a select offer values, and keeps its choice when that is still there.
export function options(select, values, { all, label = (v) => v } = {}) {
  const wanted = JSON.stringify([all, values]);
  if (select.dataset.values === wanted) return;
  const chosen = select.value;
  select.replaceChildren(
    ...(all ? [make("option", { value: "" }, all)] : []),
    ...values.map((value) => make("option", { value }, label(value))),
  );
  select.dataset.values = wanted;
  if (values.includes(chosen)) select.value = chosen;
}
