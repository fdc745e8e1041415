/** The key cache against a real HTTPS server on loopback that behaves as badly as it can. */
import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CertifiedKey, createAuthority, createServerCertificate } from '../../lab/entra/certificates.ts';
import { systemClock } from '../../src/clock.ts';
import { createAssertionVerifier } from '../../src/identity/assertion-verifier.ts';
import { createKeyCache } from '../../src/identity/key-cache.ts';
import { KeysUnavailable } from '../../src/identity/keys-unavailable.ts';
import { parseTrustedTenants } from '../../src/identity/trusted-tenants.ts';
import { AUDIENCE, currentKey, NOW, newPair, TENANT, v1Assertion, v2Assertion } from './assertions.ts';

const DAY_MS = 86_400_000;
const CANARY = 'canary-of-the-upstream-body';

let authority: CertifiedKey;
let server: Server;
let base = '';
const paths: string[] = [];
let connections = 0;
const logged: string[] = [];
let answer: RequestListener = () => undefined;

const document = JSON.stringify({ keys: [currentKey.jwk] });
const answerWith =
  (
    body: string | Buffer,
    headers: Record<string, string> = { 'content-type': 'application/json' },
    status = 200,
  ): RequestListener =>
  (_request, response) => {
    response.writeHead(status, headers).end(body);
  };

const serve = async (certified: CertifiedKey, host = '127.0.0.1'): Promise<Server> => {
  const started = createServer(
    { cert: certified.certificate, key: certified.privateKey },
    (request, response) => {
      paths.push(request.url ?? '');
      answer(request, response);
    },
  );
  started.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => started.listen(0, host, resolve));
  return started;
};

const stop = async (stopped: Server): Promise<void> => {
  stopped.closeAllConnections();
  await new Promise((resolve) => stopped.close(resolve));
};

const originOf = (listening: Server, host = '127.0.0.1'): string =>
  `https://${host}:${(listening.address() as AddressInfo).port}`;

const cacheOf = (origin: string, ca: string | null = authority.certificate) => {
  const yaml = `[{ tenant: ${TENANT}, cloud: '${origin}', versions: [1.0, 2.0], audiences: [${AUDIENCE}] }]`;
  const tenants = parseTrustedTenants(yaml);
  const logger = pino({ level: 'trace' }, { write: (line) => void logged.push(line) });
  const keys = createKeyCache({ tenants, entraCa: ca ?? undefined, clock: systemClock, logger });
  const find = (keyId = 'current-key') => keys.find(`${origin}/${TENANT}/v2.0`, keyId);
  return { tenants, keys, find };
};

beforeAll(async () => {
  authority = await createAuthority('the test authority', new Date());
  server = await serve(await createServerCertificate(authority, new Date()));
  base = originOf(server);
});
afterAll(() => stop(server));
beforeEach(() => {
  paths.length = 0;
  logged.length = 0;
  connections = 0;
  answer = answerWith(document);
});

describe('the key cache', () => {
  it('fetches the keys of each version where that version has them', async () => {
    const { tenants, keys } = cacheOf(base);
    const verify = createAssertionVerifier({ tenants, keys });
    const iss = `${base}/${TENANT}`;
    expect(await verify(v2Assertion({ iss: `${iss}/v2.0` }), NOW)).toHaveProperty('workload');
    expect(await verify(v1Assertion({ iss: `${iss}/`, aud: AUDIENCE }), NOW)).toHaveProperty('workload');
    expect(await verify(v2Assertion({ iss: `${iss}/v2.0` }), NOW)).toHaveProperty('workload');
    expect(paths).toEqual([`/${TENANT}/discovery/v2.0/keys`, `/${TENANT}/discovery/keys`]);
  });

  it('opens no connection for an issuer that is none of ours (T55)', async () => {
    const { tenants, keys } = cacheOf(base);
    const verify = createAssertionVerifier({ tenants, keys });
    for (const iss of [base, `${base}/${TENANT}`, 'http://169.254.169.254', 'file:///etc/passwd']) {
      expect(await verify(v2Assertion({ iss }), NOW)).toEqual({ reason: 'issuer' });
    }
    expect(await keys.find(base, 'current-key')).toBe('unknown');
    expect(connections).toBe(0);
  });

  it('leaves out weak keys and says so (T33)', async () => {
    const weak = newPair('weak-key', 1_024).jwk;
    answer = answerWith(JSON.stringify({ keys: [weak, currentKey.jwk] }));
    const { find } = cacheOf(base);
    expect(await find()).toHaveProperty('type', 'public');
    expect(logged.join()).toContain('jwks.bad_key');
    expect(await find('weak-key')).toBe('unknown');
  });

  const endless: RequestListener = (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const pour = (): void => {
      while (!response.destroyed && response.write(' '.repeat(65_536)));
    };
    response.on('drain', pour);
    pour();
  };
  it.each<[string, RequestListener]>([
    ['status 500', answerWith(document, { 'content-type': 'application/json' }, 500)],
    ['a page with status 503', answerWith(CANARY, {}, 503)],
    ['a page (T61)', answerWith(`<html>${CANARY}`, { 'content-type': 'text/html' })],
    ['JSON called something else (T61)', answerWith(document, { 'content-type': 'text/plain' })],
    ['no set', answerWith(`{"keys":"${CANARY}"}`)],
    ['no JSON', answerWith(CANARY)],
    ['an empty set (T61)', answerWith('{"keys":[]}')],
    ['256 KiB and more (T61)', answerWith(`${document}${' '.repeat(256 * 1_024)}`)],
    ['a body without end (T61)', endless],
    [
      'a compressed one (T61)',
      answerWith(gzipSync(document), { 'content-type': 'application/json', 'content-encoding': 'gzip' }),
    ],
    ['no answer at all', (request) => void request.socket.destroy()],
  ])('takes no keys from %s, keeps the ones it has, and repeats nothing of it', async (_what, bad) => {
    answer = bad;
    const cold = cacheOf(base);
    await expect(cold.find()).rejects.toThrow(KeysUnavailable);
    answer = answerWith(document);
    const warm = cacheOf(base);
    await warm.find();
    answer = bad;
    await expect(warm.find('new-key')).rejects.toThrow(KeysUnavailable);
    expect(await warm.find()).toHaveProperty('type', 'public');
    expect(logged.join()).toContain('jwks.stale');
    expect(logged.join()).not.toContain(CANARY);
  });

  it('follows no redirect (T57)', async () => {
    answer = (request, response) => {
      const status = request.url?.includes('discovery') ? 302 : 200;
      response
        .writeHead(status, { 'content-type': 'application/json', location: `${base}/inside` })
        .end(document);
    };
    await expect(cacheOf(base).find()).rejects.toThrow(KeysUnavailable);
    expect(paths).toEqual([`/${TENANT}/discovery/v2.0/keys`]);
  });

  it.each<[string, RequestListener]>([
    ['never answers', () => undefined],
    [
      'drips its body (T61)',
      (_request, response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        const drip = setInterval(() => response.write(' '), 100);
        response.on('close', () => clearInterval(drip));
      },
    ],
  ])('gives up after three seconds on a server that %s', async (_what, slow) => {
    answer = slow;
    const began = performance.now();
    await expect(cacheOf(base).find()).rejects.toThrow(KeysUnavailable);
    expect(performance.now() - began).toBeGreaterThan(2_900);
    expect(performance.now() - began).toBeLessThan(15_000);
  });
});

describe('the connection to the issuer', () => {
  it('trusts the configured CA for an authority given by URL only, and the public ones without it (T64)', async () => {
    const stranger = await createAuthority('another authority', new Date());
    await expect(cacheOf(base, stranger.certificate).find()).rejects.toThrow(KeysUnavailable);
    expect(paths).toEqual([]);
  });

  it.each([
    ['expired', -200 * DAY_MS, '127.0.0.1'],
    ['not yet valid', 200 * DAY_MS, '127.0.0.1'],
    ['for another name', 0, '127.0.0.2'],
  ])(
    'is refused to a certificate that is %s, whatever the environment says (T64)',
    async (_what, shift, host) => {
      const certified = await createServerCertificate(authority, new Date(Date.now() + shift));
      const other = await serve(certified, host);
      process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
      try {
        await expect(cacheOf(originOf(other, host)).find()).rejects.toThrow(KeysUnavailable);
        expect(paths).toEqual([]);
        expect(logged.join()).toMatch(/CERT_|ERR_TLS_CERT/);
      } finally {
        delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
        await stop(other);
      }
    },
  );

  it.each([
    '127.0.0.1',
    'localhost',
    '[::1]',
    '10.0.0.1',
    '169.254.169.254',
    '[::ffff:a00:1]',
    '[::7f00:1]',
    '[::ffff:0:7f00:1]',
    '[fec0::1]',
    '[5f00::1]',
    '[3fff::1]',
  ])(
    'is not even tried to %s without a CA of its own: no public authority has such an address',
    async (host) => {
      await expect(cacheOf(originOf(server, host), null).find()).rejects.toThrow(KeysUnavailable);
      expect(connections).toBe(0);
      expect(logged.join()).toContain('special-use');
    },
  );
});
