/** A person's no holds for the scopes it was said about, whichever request the agent repeats. */
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { agentOf, personOf } from '../../lab/world.ts';
import { liftDenial } from '../../src/access/lift-denial.ts';
import { whoIs } from '../support/access.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';

let world: TestWorld;

beforeAll(async () => {
  world = await startWorld();
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const ask = async (agent: string, parameters: Record<string, string | undefined>) =>
  world.exchange({ subject_token: await world.assertion(agent), ...parameters });

const EXPORT = { audience: 'api://reports.prod', scope: 'payroll.export' };
const DEPLOY = { audience: 'api://operations.prod', scope: 'release.deploy' };
const RESTART = { audience: 'api://operations.prod', scope: 'services.restart' };

describe('a denial by a person', () => {
  it('holds for requests for the same scope that were pending under other keys, not for those whose time was over', async () => {
    const over = (await ask('reporting-agent', { ...EXPORT, request_id: 'over' })).body.request_id;
    await sql`update access_requests set expires_at = now() where id = ${over}`.execute(world.database.db);
    const waiting = (await ask('reporting-agent', { ...EXPORT, request_id: 'first' })).body.request_id;
    const denied = (await ask('reporting-agent', { ...EXPORT, request_id: 'second' })).body.request_id;
    expect(denied).not.toBe(waiting);
    expect(await world.vote(denied, 'deny')).toEqual({ outcome: 'denied' });
    for (const request_id of ['first', waiting, 'second', denied, undefined]) {
      const { body } = await ask('reporting-agent', { ...EXPORT, request_id });
      expect(body).toMatchObject({ error: 'access_denied', request_id: denied });
    }
    const { body } = await ask('reporting-agent', { ...EXPORT, request_id: 'over' });
    expect(body).toMatchObject({ error: 'expired_token', request_id: over });
  });

  it('holds for what policy permits too, also where a token is current already', async () => {
    const read = { audience: 'api://knowledge.prod', scope: 'articles.read' };
    expect((await ask('support-agent', { ...read, request_id: 'reading' })).status).toBe(200);
    const both = { ...read, scope: 'articles.read articles.write' };
    const denied = (await ask('support-agent', both)).body.request_id;
    expect(await world.vote(denied, 'deny')).toEqual({ outcome: 'denied' });
    for (const request_id of ['reading', 'reading-anew']) {
      const { body } = await ask('support-agent', { ...read, request_id });
      expect(body).toMatchObject({ error: 'access_denied', request_id: denied });
    }
  });

  it('does not take away what a person approved', async () => {
    const { request_id } = (await ask('ops-agent', { ...DEPLOY, request_id: 'approved' })).body;
    const denied = (await ask('ops-agent', { ...DEPLOY, request_id: 'denied' })).body.request_id;
    expect(await world.vote(request_id, 'approve')).toEqual({ outcome: 'approved' });
    expect(await world.vote(denied, 'deny')).toEqual({ outcome: 'denied' });
    expect((await ask('ops-agent', { ...DEPLOY, request_id: 'approved' })).status).toBe(200);
  });

  it('is lifted for what is asked anew alone: what was denied stays so', async () => {
    const denied = (await ask('ops-agent', RESTART)).body.request_id;
    expect(await world.vote(denied, 'deny')).toEqual({ outcome: 'denied' });
    expect((await ask('ops-agent', RESTART)).body).toMatchObject({ error: 'access_denied' });
    const person = personOf(world.entra.world, 'approver');
    const lifted = await liftDenial(world.database, {
      requestId: denied,
      reason: 'the maintenance has begun',
      person: {
        tenant: world.entra.world.tenant,
        object: person.objectId,
        roles: person.roles,
        signedInAt: new Date(),
        authenticatedAt: new Date(),
        authenticationContexts: [],
      },
      who: whoIs({ owners: agentOf(world.entra.world, 'ops-agent').owners }),
      registryRevision: 1,
      traceId: null,
    });
    expect(lifted).toEqual({ outcome: 'lifted' });
    expect((await ask('ops-agent', { ...RESTART, request_id: denied })).body).toMatchObject({
      error: 'access_denied',
      request_id: denied,
    });
    const anew = (await ask('ops-agent', RESTART)).body;
    expect(anew).toMatchObject({ error: 'authorization_pending' });
    expect(anew.request_id).not.toBe(denied);
    expect(await world.vote(anew.request_id, 'approve')).toEqual({ outcome: 'approved' });
    expect((await ask('ops-agent', RESTART)).status).toBe(200);
  });
});
