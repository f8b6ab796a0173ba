import { createServer } from 'node:http';
import { readScript } from './readScript.mjs';

/** Listens on a loopback port, a free one unless named, and answers its number. */
function listen(server, port = 0) {
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server.address().port)));
}

/**
 * Starts a shop and a tracking service of another site, as in production. The shop
 * answers every path with what the function that `pages` holds for it answers: html
 * and headers. The tracking service serves the built script and keeps what
 * really arrived in `beacons`; `behaviour` is how it answers, and goes back with `reset`.
 */
export async function startServers() {
  const pages = new Map();
  const beacons = [];
  const handovers = [];
  /** What browsers asked of the shop, and for which purpose (Sec-Purpose). */
  const asked = [];
  const behaviour = {};
  const reset = () =>
    Object.assign(behaviour, {
      /** The status of the answer to a beacon; a function is asked for each. */
      status: 200,
      /** The body of the answer; a function is asked for each. */
      answer: '{"success":true}',
      /** How long the answer takes, in milliseconds. */
      delay: 0,
      /** Connections are cut without an answer. */
      down: false,
      /** How many requests met that. */
      cut: 0,
      /** What the page runs in the very task in which the script has run: it follows the script in its file. */
      after: '',
      /** Credentials are refused, as a server does to pages of other sites. */
      strict: false,
    });
  /** Whose beacons are kept: late ones of visits that are over belong to no test. */
  const visit = { key: '' };
  reset();
  const given = (setting, beacon) => (typeof setting === 'function' ? setting(beacon) : setting);

  const shop = createServer((request, response) => {
    const page = pages.get(new URL(request.url, 'http://x').pathname);
    const { html, headers } = page ? page() : {};
    asked.push({ path: request.url, purpose: request.headers['sec-purpose'] || '' });
    response.writeHead(page ? 200 : 404, {
      'content-type': 'text/html',
      'content-security-policy': `script-src 'self' 'unsafe-inline' http://127.0.0.1:${trackingPort}`,
      ...headers,
    });
    response.end(html || '');
  });

  const take = (request, response, text) => {
    const beacon = { path: request.url, method: request.method, headers: request.headers, body: JSON.parse(text), at: Date.now() };
    const status = given(behaviour.status, beacon);
    beacon.status = status;
    if (beacon.body.writeKey === visit.key) {
      beacons.push(beacon);
    }
    setTimeout(() => {
      const { origin } = request.headers;
      response.writeHead(status, {
        'access-control-allow-origin': origin || '*',
        ...(behaviour.strict ? {} : { 'access-control-allow-credentials': 'true' }),
      });
      response.end(given(behaviour.answer, beacon));
    }, behaviour.delay);
  };
  const tracking = createServer((request, response) => {
    const url = new URL(request.url, 'http://x');
    if (url.pathname === '/e' && behaviour.down) {
      behaviour.cut++;
      return request.socket.destroy();
    }
    if (url.pathname === '/e/handover') {
      const [id, host] = [url.searchParams.get('d'), url.searchParams.get('to')];
      handovers.push({ id, host });
      response.writeHead(200, { 'access-control-allow-origin': '*', 'content-type': 'text/plain' });
      return response.end(`${id}.${Math.floor(Date.now() / 1000 + 120).toString(36)}.${'s'.repeat(22)}`);
    }
    if (request.method === 'GET') {
      // An ES module, as `data-use` loads the script, needs the header of every origin.
      response.writeHead(200, { 'content-type': 'text/javascript', 'access-control-allow-origin': '*' });
      return response.end(readScript(url.searchParams.get('use')) + behaviour.after);
    }
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (part) => (text += part));
    request.on('end', () => take(request, response, text));
  });
  const trackingPort = await listen(tracking);
  const shopPort = await listen(shop);
  return {
    pages,
    beacons,
    handovers,
    asked,
    behaviour,
    visit,
    reset,
    shopURL: `http://localhost:${shopPort}`,
    /** The same shop as a page of another site sees it. */
    otherURL: `http://other.localhost:${shopPort}`,
    trackingURL: `http://127.0.0.1:${trackingPort}`,
    close: () => [shop, tracking].forEach((server) => server.closeAllConnections() || server.close()),
  };
}
