/** Every way in which Entra vouches for a workload, from its token endpoint or as it signs, to the broker's answer. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Broker } from '../../src/broker.ts';
import { type AssertionChanges, startWorld, type TestWorld } from '../support/broker.ts';
import {
  newestEvent,
  signInAs,
  signInV1,
  startTrusting,
  type Trust,
  trustIn,
} from '../support/entra-modes.ts';
import { checkPromises } from '../support/promises.ts';
import { READ } from './expect-refusal.ts';

let world: TestWorld;
const started: Broker[] = [];

beforeAll(async () => {
  world = await startWorld();
});
afterEach(() => checkPromises(world.database));
afterAll(async () => {
  for (const broker of started) await broker.stop();
  await world.stop();
});

const portOf = async (change: Trust): Promise<number> => {
  const broker = await startTrusting(world, [trustIn(world.entra, change)]);
  started.push(broker);
  return broker.port;
};

const read = async (subject_token: string, port?: number) =>
  world.exchange({ ...READ, subject_token }, port === undefined ? {} : { port });

/** Refused on the wire as every bad assertion is, and told with its exact reason. */
const expectRejected = async (assertion: string, reason: string, port?: number): Promise<void> => {
  const { status, body } = await read(assertion, port);
  expect({ status, error: body.error, token: body.access_token }).toEqual({
    status: 400,
    error: 'invalid_request',
  });
  expect(await newestEvent(world, 'assertion.rejected')).toMatchObject({ reason });
};

const signed = (claims: AssertionChanges['claims'] = {}): Promise<string> =>
  world.assertion('support-agent', { claims });

describe('the credential of an application', () => {
  it.each([
    ['secret', 'secret'],
    ['certificate', 'certificate'],
    ['federated', 'certificate'],
  ] as const)('may be a %s: Entra says %s', async (kind, credential) => {
    expect((await read(await signInAs(world.entra, 'support-agent', kind))).status).toBe(200);
    expect(await newestEvent(world, 'assertion.verified')).toMatchObject({ credential, version: '2.0' });
  });
});

describe('the version of tokens', () => {
  it('1.0 is accepted for the App ID URI and for the application id, where both are listed', async () => {
    for (const resource of ['api://countersign', world.entra.world.broker.clientId]) {
      expect((await read(await signInV1(world.entra, 'support-agent', resource))).status).toBe(200);
      expect(await newestEvent(world, 'assertion.verified')).toMatchObject({ version: '1.0' });
    }
  });

  it('1.0 is refused where only 2.0 is listed, and 2.0 where only 1.0 is (T40)', async () => {
    const v1 = await signInV1(world.entra, 'support-agent', world.entra.world.broker.clientId);
    const v2 = await signInAs(world.entra, 'support-agent', 'secret');
    const onlyV2 = await portOf({ versions: ['2.0'] });
    await expectRejected(v1, 'issuer', onlyV2);
    expect((await read(v2, onlyV2)).status).toBe(200);
    const onlyV1 = await portOf({ versions: ['1.0'] });
    await expectRejected(v2, 'issuer', onlyV1);
    expect((await read(v1, onlyV1)).status).toBe(200);
  });
});

describe('app roles', () => {
  it('are demanded where the tenant lists them, of every workload (T47)', async () => {
    const port = await portOf({ required_roles: ['Agent'] });
    await expectRejected(await signed(), 'roles', port);
    await expectRejected(await signed({ roles: ['agent', 'Agent.Exchange'] }), 'roles', port);
    expect((await read(await signed({ roles: ['Agent'] }), port)).status).toBe(200);
  });

  it('are not demanded where none is listed: the registry is what lets a workload in', async () => {
    expect((await read(await signed())).status).toBe(200);
    const stranger = await signed({ oid: world.entra.world.tenant });
    expect((await read(stranger)).body.error).toBe('invalid_request');
    expect(await newestEvent(world, 'agent.rejected')).toMatchObject({ reason: 'unknown_workload' });
  });
});

describe('a managed identity', () => {
  const DAY = 24 * 3600;
  /** As the identity endpoint of a virtual machine hands it out: a day long, with the identity's place in Azure. */
  const managed = (age: number) => {
    const issued = Math.floor(Date.now() / 1000) - age;
    return {
      azpacr: '2',
      iat: issued,
      nbf: issued,
      exp: issued + DAY + 300,
      xms_mirid:
        '/subscriptions/x/resourceGroups/y/providers/Microsoft.ManagedIdentity/userAssignedIdentities/z',
      xms_az_rid: '/subscriptions/x/resourceGroups/y/providers/Microsoft.Compute/virtualMachines/v',
    };
  };

  it('gets in with a token of a day, fresh from its cache or nearly over', async () => {
    for (const age of [300, DAY - 60]) expect((await read(await signed(managed(age)))).status).toBe(200);
    expect(await newestEvent(world, 'assertion.verified')).toMatchObject({ credential: 'certificate' });
  });

  it('does not get in a day after its token was issued', async () => {
    await expectRejected(await signed(managed(DAY + 60)), 'time');
  });
});

describe('an agent identity (T53)', () => {
  const BLUEPRINT = '6f1b2a3c-0000-4000-8000-00000000d001';
  const identity = { azpacr: '2', xms_idrel: '7 10', xms_tnt_fct: '3 9', xms_ftd: 'opaque' };

  it('is a workload like others; its blueprint and facets are told, in whatever order they come', async () => {
    const facets = { xms_par_app_azp: BLUEPRINT, xms_act_fct: '11 9 3', xms_sub_fct: '9 11 9' };
    expect((await read(await signed({ ...identity, ...facets }))).status).toBe(200);
    expect(await newestEvent(world, 'assertion.verified')).toMatchObject({
      parent_application: BLUEPRINT,
      facets: { actor: [3, 9, 11], subject: [9, 11] },
    });
  });

  it.each([
    ['unknown numbers', { xms_act_fct: '9999 4' }, { actor: [4, 9999], subject: [] }],
    ['markup', { xms_act_fct: '<b>11</b>', xms_sub_fct: '11' }, { actor: [], subject: [11] }],
    ['a list', { xms_act_fct: ['11'], xms_sub_fct: 11 }, { actor: [], subject: [] }],
    ['a flood', { xms_act_fct: Array(500).fill('11').join(' ') }, { actor: [], subject: [] }],
  ])('gains and loses nothing by facets that are %s', async (_what, claims, facets) => {
    expect((await read(await signed({ ...identity, ...claims }))).status).toBe(200);
    expect(await newestEvent(world, 'assertion.verified')).toMatchObject({ facets });
  });

  it('is not let in by its blueprint or facets: only the registered service principal counts', async () => {
    const { objectId } = world.entra.world.agents[0] ?? { objectId: '' };
    const claims = { ...identity, xms_par_app_azp: objectId, xms_act_fct: '11', xms_sub_fct: '11' };
    const sibling = await signed({ ...claims, oid: BLUEPRINT, sub: BLUEPRINT, azp: BLUEPRINT });
    expect((await read(sibling)).body.error).toBe('invalid_request');
    expect(await newestEvent(world, 'agent.rejected')).toMatchObject({ reason: 'unknown_workload' });
  });

  it.each([
    ['for a person', { idtyp: 'user', scp: 'access', xms_act_fct: '11', name: 'Someone' }],
    ['as its agent user', { idtyp: 'user', scp: 'access', xms_act_fct: '11', xms_sub_fct: '13' }],
    ['for a person, said by scp alone', { scp: 'access', xms_act_fct: '11' }],
  ])('does not get in acting %s (T45)', async (_what, claims) => {
    await expectRejected(await signed({ ...identity, xms_par_app_azp: BLUEPRINT, ...claims }), 'not_app');
  });
});

describe('a token without idtyp (T46)', () => {
  it('is refused, unless the tenant allows it; a delegated one is refused always', async () => {
    const lenient = await portOf({ allow_missing_idtyp: true });
    const appOnly = { idtyp: undefined };
    await expectRejected(await signed(appOnly), 'not_app');
    expect((await read(await signed(appOnly), lenient)).status).toBe(200);
    await expectRejected(await signed({ ...appOnly, scp: 'access' }), 'not_app', lenient);
    await expectRejected(await signed({ ...appOnly, upn: 'a@b.example' }), 'not_app', lenient);
    await expectRejected(await signed({ ...appOnly, sub: 'pairwise' }), 'not_app', lenient);
  });
});
