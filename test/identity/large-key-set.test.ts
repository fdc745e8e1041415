/** A key document of 50 MB, from a real HTTPS server on loopback (T61). */
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CertifiedKey, createAuthority, createServerCertificate } from '../../lab/entra/certificates.ts';
import { systemClock } from '../../src/clock.ts';
import { createKeyCache } from '../../src/identity/key-cache.ts';
import { KeysUnavailable } from '../../src/identity/keys-unavailable.ts';
import { parseTrustedTenants } from '../../src/identity/trusted-tenants.ts';
import { AUDIENCE, currentKey, TENANT } from './assertions.ts';

const document = Buffer.from(JSON.stringify({ keys: [currentKey.jwk] }));
const large = Buffer.concat([document, Buffer.alloc(50_000_000, ' ')]);

let authority: CertifiedKey;
let server: Server;
let body = document;
let encoding: Record<string, string> = {};
/** Bytes that went out for the last answer, once its connection is closed. */
let sent = Promise.resolve(0);

beforeAll(async () => {
  authority = await createAuthority('the test authority', new Date());
  const { certificate, privateKey } = await createServerCertificate(authority, new Date());
  server = createServer({ cert: certificate, key: privateKey }, ({ socket }, response) => {
    const before = socket.bytesWritten;
    sent = new Promise((resolve) => socket.once('close', () => resolve(socket.bytesWritten - before)));
    response.writeHead(200, { 'content-type': 'application/json', ...encoding });
    const pour = (from: number): void => {
      const next = from + 65_536;
      if (response.destroyed) return;
      if (from >= body.length) response.end();
      else if (response.write(body.subarray(from, next))) pour(next);
      else response.once('drain', () => pour(next));
    };
    pour(0);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

it.each([
  ['plain', {}],
  ['compressed, as a bomb is', { 'content-encoding': 'gzip' }],
])('is read but a little, %s, and the keys that were there stay (T61)', async (_what, headers) => {
  const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const logged: string[] = [];
  const { find } = createKeyCache({
    tenants: parseTrustedTenants(`[{ tenant: ${TENANT}, cloud: '${origin}', audiences: [${AUDIENCE}] }]`),
    entraCa: authority.certificate,
    clock: systemClock,
    logger: pino({ level: 'warn' }, { write: (line) => void logged.push(line) }),
  });
  const issuer = `${origin}/${TENANT}/v2.0`;
  [body, encoding] = [document, {}];
  await find(issuer, 'current-key');
  [body, encoding] = [large, headers];
  await expect(find(issuer, 'new-key')).rejects.toThrow(KeysUnavailable);
  // What lies in the buffers of the two sockets comes on top of the 256 KiB that may be read.
  expect(await sent).toBeLessThan(10_000_000);
  expect(await find(issuer, 'current-key')).toHaveProperty('type', 'public');
  expect(logged.join()).toContain('jwks.stale');
});
