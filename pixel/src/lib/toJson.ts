const { isArray } = Array;
const { getPrototypeOf, keys, prototype } = Object;

/**
 * Writes a value as JSON; undefined for what JSON has no word for. JSON.stringify is
 * left alone because pages replace it, and because old libraries give arrays and
 * strings a toJSON that writes them wrongly. Objects of a class (dates, decimals) are
 * asked for theirs. A circle overflows the stack, which `attempt` catches.
 */
export function toJson(value: any): string | undefined {
  if (typeof value === 'string') {
    return `"${value.replace(/[\\"\0-\x1f]/g, (c) => '\\u' + (c.charCodeAt(0) + 65536).toString(16).slice(1))}"`;
  }
  if (value === null || typeof value === 'number' || typeof value === 'boolean') {
    return isFinite(value as number) ? `${value}` : 'null';
  }
  if (typeof value !== 'object') {
    return undefined;
  }
  let text = '';
  if (isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      text += (i ? ',' : '') + (toJson(value[i]) || null);
    }
    return `[${text}]`;
  }
  if (getPrototypeOf(value) !== prototype && value.toJSON) {
    return toJson(value.toJSON());
  }
  const names = keys(value);
  for (let i = 0; i < names.length; i++) {
    const member = toJson(value[names[i]]);
    if (member) {
      text += (text && ',') + toJson(names[i]) + ':' + member;
    }
  }
  return `{${text}}`;
}
