import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const script = readFileSync(new URL('../../dist/p.js', import.meta.url));

/** Listens on a free loopback port and answers its number. */
function listen(server) {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));
}

/**
 * Starts a shop and a tracking service of another site, as in production. The
 * shop answers every path with the page that `pages` holds for it; the tracking
 * service serves the built script and keeps what really arrived in `beacons`.
 */
export async function startServers() {
  const pages = new Map();
  const beacons = [];
  const shop = createServer((request, response) => {
    const html = pages.get(new URL(request.url, 'http://x').pathname);
    response.writeHead(html ? 200 : 404, {
      'content-type': 'text/html',
      'content-security-policy': `script-src 'self' 'unsafe-inline' http://127.0.0.1:${trackingPort}`,
    });
    response.end(html || '');
  });
  const tracking = createServer((request, response) => {
    if (request.method === 'GET') {
      response.writeHead(200, { 'content-type': 'text/javascript' });
      return response.end(script);
    }
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (part) => (text += part));
    request.on('end', () => {
      beacons.push({ path: request.url, method: request.method, headers: request.headers, body: JSON.parse(text) });
      response.writeHead(200, { 'access-control-allow-origin': '*' });
      response.end();
    });
  });
  const trackingPort = await listen(tracking);
  const shopPort = await listen(shop);
  return {
    pages,
    beacons,
    shopURL: `http://localhost:${shopPort}`,
    trackingURL: `http://127.0.0.1:${trackingPort}`,
    close: () => [shop, tracking].forEach((server) => server.closeAllConnections() || server.close()),
  };
}
