/** The doctor on the lab's Entra, healthy and with its faults. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { diagnose } from '../../src/doctor/diagnose.ts';
import { freePort } from '../../src/storage/free-port.ts';
import { manage } from '../lab/entra-fixture.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { createDatabase } from '../support/database.ts';
import { trustIn } from '../support/entra-modes.ts';
import { checkPromises } from '../support/promises.ts';
import { adviceOn, examine, messages } from './doctor-fixture.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterEach(async () => {
  await manage(world.entra.entra, 'DELETE', '/lab/faults');
  await checkPromises(world.database);
});
afterAll(() => world.stop());

const fault = (name: string) => manage(world.entra.entra, 'POST', '/lab/faults', { fault: name });

/** The settings of the world, trusting these tenants. */
const trusting = async (...trusts: object[]): Promise<Record<string, string>> => {
  const file = join(world.entra.directory, 'doctor.yaml');
  await writeFile(file, stringify(trusts));
  return { ...world.settings, COUNTERSIGN_ENTRA: file };
};

describe('the doctor', () => {
  it('finds nothing wrong with a healthy lab, and says what it looked at', async () => {
    const examined = await examine(world.settings);
    expect(messages(examined, 'problem')).toEqual([]);
    expect(examined.code).toBe(0);
    const { authority, tenant } = world.entra.entra;
    expect(messages(examined, 'ok')).toEqual(
      expect.arrayContaining([
        'every setting is usable',
        `the metadata names the issuer ${authority}/${tenant}/`,
        `the metadata names the issuer ${authority}/${tenant}/v2.0`,
        '2 signing keys of version 2.0 are usable',
        `the clock of ${authority} and this machine's clock agree`,
        "the clock of the database and this machine's clock agree",
        'revision 1: 3 agents, 3 of them enabled, 10 APIs',
        expect.stringMatching(/^[0-9a-f]{64} is in force and passes its cases$/),
        `people sign in at ${authority}/${tenant}`,
      ]),
    );
    expect(messages(examined, 'note', 'sign-in')).toEqual([
      `the registration ${world.entra.world.broker.clientId} must have the Web redirect URI ${world.issuer}/sign-in/callback`,
    ]);
  });

  it('tells every problem of the configuration, and looks at what it can all the same', async () => {
    const { COUNTERSIGN_URL: _, ...settings } = world.settings;
    const examined = await examine({
      ...settings,
      COUNTERSIGN_LISTEN: 'nowhere',
      COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE: '',
      COUNTERSIGN_KEY_ENCRYPTION_KEY: 'too short, and secret',
    });
    expect(examined.code).toBe(1);
    expect(messages(examined, 'problem').join('\n')).toMatch(
      /COUNTERSIGN_URL is missing.*COUNTERSIGN_KEY_ENCRYPTION_KEY: must be.*COUNTERSIGN_LISTEN: must be host:port/s,
    );
    expect(messages(examined, 'ok', 'keys')).not.toEqual([]);
    expect(messages(examined, 'ok', 'policy')).not.toEqual([]);
    expect(examined.written).not.toContain('too short, and secret');
  });

  it.each([
    ['keys_down', /cannot be used: /],
    ['keys_slow', /cannot be used: it does not answer in time/],
    ['keys_empty', /cannot be used: the document has no usable key/],
    ['keys_huge', /cannot be used: answered with more than 262144 bytes/],
    ['keys_redirect', /cannot be used: answered with status 30/],
  ])('says that keys cannot be had: %s', async (name, problem) => {
    await fault(name);
    const examined = await examine(world.settings);
    expect(examined.code).toBe(1);
    expect(messages(examined, 'problem', 'keys')).toEqual([
      expect.stringMatching(problem),
      expect.stringMatching(problem),
    ]);
  });

  it('warns of keys that the broker ignores: weak ones, and those of another issuer', async () => {
    await fault('keys_weak');
    expect(messages(await examine(world.settings), 'warning', 'keys')).toContainEqual(
      expect.stringMatching(/^the key \S+ is ignored: its modulus has 1024 bits$/),
    );
    await fault('keys_foreign_issuer');
    expect(messages(await examine(world.settings), 'warning', 'keys')).toEqual([
      '1 keys are published for another issuer and are not used for this one',
    ]);
  });

  it('says that a tenant is not there, or that its certificate is of nobody trusted', async () => {
    const unknown = '0d6a3c1e-5a44-4c3e-9d0f-3a7f6b1c2d01';
    const elsewhere = await examine(await trusting(trustIn(world.entra, { tenant: unknown })));
    expect(messages(elsewhere, 'problem', 'tenant')[0]).toMatch(/answered with status 400$/);
    expect(adviceOn(elsewhere, 'status 400')).toContain('does not know the tenant');
    expect(messages(elsewhere, 'problem', 'registry')).toContainEqual(
      expect.stringContaining('which COUNTERSIGN_ENTRA does not list'),
    );

    const distrusted = await examine({ ...world.settings, COUNTERSIGN_ENTRA_CA: '' });
    expect(messages(distrusted, 'problem', 'tenant')[0]).toMatch(/special-use|no authority that is trusted/);
  });

  it('says of an authority of this machine that does not run how it is started', async () => {
    const stopped = `127.0.0.1:${await freePort()}`;
    const examined = await examine(await trusting(trustIn(world.entra, { cloud: `https://${stopped}` })));
    expect(messages(examined, 'problem', 'tenant')[0]).toContain('cannot be used: nothing answers there');
    expect(adviceOn(examined, 'nothing answers there')).toBe(
      `Nothing runs at ${stopped} on this machine. If it is the lab, start it with "npm start" and leave it running, then ask again.`,
    );
  });

  it('says that clocks are apart, by how much and what follows', async () => {
    const at = (seconds: number) =>
      diagnose({
        environment: world.settings,
        token: null,
        clock: () => new Date(Date.now() + seconds * 1000),
        logger: pino({ enabled: false }),
      });
    const late = (await at(-40)).filter(({ check }) => check === 'clock');
    expect(late.map(({ status }) => status)).toEqual(['problem', 'problem']);
    expect(late[0]?.message).toMatch(/is (39|40|41) s ahead of this machine's clock$/);
    const early = (await at(10)).filter(({ check }) => check === 'clock');
    expect(early.map(({ status }) => status)).toEqual(['warning', 'warning']);
    expect(early[1]?.message).toMatch(/^the clock of the database is (9|10|11) s behind/);
  });

  it('says what a database lacks: an answer, migrations, a registry, a policy', async () => {
    const nowhere = 'postgres://countersign:hidden-word@127.0.0.1:1/none';
    const unreachable = await examine({ ...world.settings, COUNTERSIGN_DATABASE: nowhere });
    expect(messages(unreachable, 'problem', 'database')).toHaveLength(1);
    expect(unreachable.written).not.toContain('hidden-word');
    expect(messages(unreachable, 'note', 'registry')[0]).toContain('files of COUNTERSIGN_REGISTRY');

    const embedded = await examine({ ...world.settings, COUNTERSIGN_DATABASE: 'embedded:/nowhere/at-all' });
    expect(messages(embedded, 'warning', 'database')[0]).toContain('the embedded database is not running');
    expect(adviceOn(embedded, 'the embedded database')).toContain('"npm start" for the lab');

    const fresh = await createDatabase();
    const empty = await examine({ ...world.settings, COUNTERSIGN_DATABASE: fresh.applicationDsn });
    expect(messages(empty, 'problem', 'registry')[0]).toContain('no registry is in force');
    expect(messages(empty, 'problem', 'policy')[0]).toContain('no policy is in force');
    await fresh.drop();
  });

  it('warns where nobody can sign in, and says why people cannot', async () => {
    const off = {
      COUNTERSIGN_SIGN_IN_TENANT: '',
      COUNTERSIGN_SIGN_IN_CLIENT_ID: '',
      COUNTERSIGN_SIGN_IN_CLIENT_SECRET: '',
    };
    const without = await examine({ ...world.settings, ...off });
    expect(messages(without, 'warning', 'sign-in')[0]).toContain('nobody can approve');
    const settings = await trusting(trustIn(world.entra, { tenant: '0d6a3c1e-5a44-4c3e-9d0f-3a7f6b1c2d01' }));
    const elsewhere = await examine({
      ...settings,
      COUNTERSIGN_SIGN_IN_TENANT: '0d6a3c1e-5a44-4c3e-9d0f-3a7f6b1c2d01',
    });
    expect(messages(elsewhere, 'problem', 'sign-in')[0]).toContain('people cannot sign in');
  });
});
