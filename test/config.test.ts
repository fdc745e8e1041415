import { rootCertificates } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Environment, loadConfig, loadOperationsAddress, loadStorageSettings } from '../src/config.ts';
import { ConfigInvalid } from '../src/config-reader.ts';
import { CLIENT, fileWith, KEY, TENANT, validEnvironment } from './config-fixture.ts';

let valid: Environment;
beforeAll(async () => {
  valid = await validEnvironment();
});

describe('a configuration', () => {
  it('needs four settings and has the documented defaults', () => {
    expect(loadConfig(valid)).toEqual({
      url: 'https://countersign.example',
      listen: { host: '127.0.0.1', port: 8400 },
      operationsListen: { host: '127.0.0.1', port: 8401 },
      storage: { kind: 'postgres', dsn: valid.COUNTERSIGN_DATABASE, ownerDsn: null },
      redisUrl: null,
      replicas: 1,
      limits: {
        address: 30,
        exchange: 60,
        miss: 20,
        poll: 600,
        audience: 1_200,
        vote: 30,
        sign_in: 30,
        report: 6_000,
        introspection: 6_000,
        open: 5,
      },
      registryFiles: [],
      policyFile: null,
      tenants: [expect.objectContaining({ tenantId: TENANT })],
      entraCa: null,
      consoleUrl: 'https://countersign.example',
      consoleListen: null,
      keyEncryptionKeys: [Buffer.from(KEY, 'base64')],
      trustedProxies: [],
      keyMaxAgeDays: 30,
      dpopNonceSeconds: null,
      signIn: null,
    });
  });

  it('takes everything else by its name', async () => {
    const [ca = ''] = rootCertificates;
    const config = loadConfig({
      ...valid,
      COUNTERSIGN_LISTEN: '0.0.0.0:9000',
      COUNTERSIGN_OPERATIONS_LISTEN: '[::1]:9001',
      COUNTERSIGN_DATABASE_OWNER: 'postgresql://owner@db.example/countersign',
      COUNTERSIGN_REDIS: 'rediss://redis.example:6380',
      COUNTERSIGN_REPLICAS: '3',
      COUNTERSIGN_RATE_LIMITS: 'exchange=600, sign_in=off',
      COUNTERSIGN_REGISTRY: 'agents.yaml, apis.yaml,',
      COUNTERSIGN_POLICY: 'bundle.tar.gz',
      COUNTERSIGN_ENTRA: await fileWith(
        `- { tenant: ${TENANT}, cloud: 'https://login.example', audiences: [${CLIENT}] }`,
      ),
      COUNTERSIGN_ENTRA_CA: await fileWith(ca),
      COUNTERSIGN_CONSOLE_URL: 'https://console.example',
      COUNTERSIGN_CONSOLE_LISTEN: '127.0.0.1:8402',
      COUNTERSIGN_TRUSTED_PROXIES: '10.0.0.0/8, ::1',
      COUNTERSIGN_KEY_MAX_AGE_DAYS: '90',
      COUNTERSIGN_DPOP_NONCE_SECONDS: '300',
      COUNTERSIGN_SIGN_IN_TENANT: TENANT.toUpperCase(),
      COUNTERSIGN_SIGN_IN_CLIENT_ID: CLIENT,
      COUNTERSIGN_SIGN_IN_CLIENT_SECRET: 'secret',
    });
    expect(config).toMatchObject({
      listen: { host: '0.0.0.0', port: 9000 },
      operationsListen: { host: '::1', port: 9001 },
      storage: { ownerDsn: 'postgresql://owner@db.example/countersign' },
      redisUrl: 'rediss://redis.example:6380',
      replicas: 3,
      limits: { address: 30, exchange: 600, sign_in: Number.POSITIVE_INFINITY },
      registryFiles: ['agents.yaml', 'apis.yaml'],
      policyFile: 'bundle.tar.gz',
      entraCa: ca,
      consoleUrl: 'https://console.example',
      consoleListen: { host: '127.0.0.1', port: 8402 },
      trustedProxies: ['10.0.0.0/8', '::1'],
      keyMaxAgeDays: 90,
      dpopNonceSeconds: 300,
      signIn: {
        authority: 'https://login.example',
        tenantId: TENANT,
        clientId: CLIENT,
        clientSecret: 'secret',
        ca,
      },
    });
  });

  it.each(['http://127.0.0.1:8400', 'http://localhost:8400', 'http://[::1]:8400', 'https://a.example:8443'])(
    'takes the base URL %s',
    (url) => {
      expect(loadConfig({ ...valid, COUNTERSIGN_URL: url }).url).toBe(url);
    },
  );

  it('takes a secret from a file, without the line end', async () => {
    const { COUNTERSIGN_KEY_ENCRYPTION_KEY, COUNTERSIGN_DATABASE, ...rest } = valid;
    const config = loadConfig({
      ...rest,
      COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE: await fileWith(`${KEY}\n`),
      COUNTERSIGN_DATABASE_FILE: await fileWith('postgres://from-a-file/countersign\n'),
    });
    expect(config.keyEncryptionKeys[0].toString('base64')).toBe(KEY);
    expect(config.storage).toMatchObject({ dsn: 'postgres://from-a-file/countersign' });
  });

  it('counts an empty setting as absent', () => {
    expect(loadConfig({ ...valid, COUNTERSIGN_REDIS: '', COUNTERSIGN_LISTEN: '' })).toEqual(
      loadConfig(valid),
    );
  });
});

describe('what commands need', () => {
  it('is where the data lives, and nothing else', () => {
    expect(loadStorageSettings({ COUNTERSIGN_DATABASE: 'embedded:data' })).toEqual({
      kind: 'embedded',
      directory: 'data',
    });
    expect(() => loadStorageSettings({})).toThrow(/COUNTERSIGN_DATABASE is missing/);
  });

  it('is where the operations listener is', () => {
    expect(loadOperationsAddress({})).toEqual({ host: '127.0.0.1', port: 8401 });
    expect(() => loadOperationsAddress({ COUNTERSIGN_OPERATIONS_LISTEN: 'x' })).toThrow(ConfigInvalid);
  });
});
