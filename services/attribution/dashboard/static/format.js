// How numbers, amounts and times are written. Pure: no document, no clock.

// addDecimals adds two decimals given as text, exactly: floats would change amounts.
export function addDecimals(a, b) {
  const [x, y] = [parse(a), parse(b)];
  const scale = Math.max(x.scale, y.scale);
  const sum = x.digits * 10n ** BigInt(scale - x.scale) + y.digits * 10n ** BigInt(scale - y.scale);
  const sign = sum < 0n ? "-" : "";
  const text = (sum < 0n ? -sum : sum).toString().padStart(scale + 1, "0");
  return sign + (scale === 0 ? text : text.slice(0, -scale) + "." + text.slice(-scale));
}

function parse(text) {
  const [whole, fraction = ""] = text.split(".");
  return { digits: BigInt(whole + fraction), scale: fraction.length };
}

// amount writes a decimal in its currency; text keeps digits that a number would lose.
export function amount(decimal, currency) {
  if (decimal === null || decimal === undefined) return "–";
  try {
    return new Intl.NumberFormat(undefined, { style: "currency", currency, currencyDisplay: "code" }).format(decimal);
  } catch {
    return decimal + " " + currency;
  }
}

// count writes a number with at most two digits after the point.
export function count(n) {
  return new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 }).format(n);
}

// percent writes a share of a whole; "" when there is no whole.
export function percent(part, whole) {
  if (!whole) return "";
  const share = part / whole;
  const digits = share > 0 && share < 0.01 ? 1 : 0;
  return new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: digits }).format(share);
}

// lag writes an age in its two largest units.
export function lag(seconds) {
  if (seconds === null) return "–";
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  let rest = Math.floor(seconds);
  const parts = [];
  for (const [name, size] of units) {
    const n = Math.floor(rest / size);
    rest -= n * size;
    if (n > 0 || parts.length > 0) parts.push(n + " " + name);
    if (parts.length === 2) break;
  }
  return parts.filter((p) => !p.startsWith("0 ")).join(" ") || "0 s";
}

// words makes a name of the API readable: last_touch is "last touch".
export function words(name) {
  return name.replaceAll("_", " ");
}

// moment writes an instant in a time zone, short.
export function moment(iso, timeZone) {
  return new Intl.DateTimeFormat(undefined, {
    timeZone, day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
  }).format(new Date(iso));
}

// dayStart is the instant at which a day ("2026-11-20") begins in a time zone, plus
// some days, as RFC 3339.
export function dayStart(day, timeZone, plus = 0) {
  const [year, month, date] = day.split("-").map(Number);
  const wall = Date.UTC(year, month - 1, date + plus);
  // The offset at the guess may be the one from before a change of the clocks.
  let at = wall - offset(wall, timeZone);
  at = wall - offset(at, timeZone);
  return new Date(at).toISOString();
}

// offset is what the zone's clocks are ahead of UTC at an instant, in milliseconds.
function offset(at, timeZone) {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric",
  }).formatToParts(new Date(at));
  const of = (type) => Number(parts.find((p) => p.type === type).value);
  return Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second")) - Math.floor(at / 1000) * 1000;
}
