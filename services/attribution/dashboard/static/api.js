// The REST API, called with the token of this tab.

const KEY = "touchline.token";

// Refused says that the token is not accepted (any more).
export class Refused extends Error {}

// takeToken returns the token of this tab. One that stands in the address (#token=…)
// is kept and removed from there, so that it is neither seen nor saved with a bookmark.
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    keepToken(given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return sessionStorage.getItem(KEY);
}

export function keepToken(token) {
  sessionStorage.setItem(KEY, token.trim());
}

export function dropToken() {
  sessionStorage.removeItem(KEY);
}

// read answers a call's JSON as text and as value, so that callers can tell cheaply
// whether anything changed.
export async function read(path, query = {}) {
  const answer = await call(path, query, "application/json");
  const text = await answer.text();
  return { text, value: JSON.parse(text) };
}

// download answers the table as a file.
export async function download(path, query) {
  return (await call(path, query, "text/csv")).blob();
}

async function call(path, query, accept) {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") asked.set(name, value);
  }
  const answer = await fetch(path + (asked.size ? "?" + asked : ""), {
    headers: { Authorization: "Bearer " + sessionStorage.getItem(KEY), Accept: accept },
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
  });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  const detail = problem.detail || answer.statusText;
  if (answer.status === 401) throw new Refused("The token is not accepted: it is mistyped or has run out.");
  if (answer.status === 400 && /X-Workspace/.test(detail)) {
    throw new Refused("This is a platform token. The page needs the token of a workspace.");
  }
  if (answer.status === 404) throw new Refused("The workspace of this token is gone.");
  throw new Error(detail);
}
