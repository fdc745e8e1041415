import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startEntra } from '../../lab/entra/start-entra.ts';
import { agentOf, apiOf, openWorld, personOf, toolOf } from '../../lab/world.ts';
import { trust } from './entra-fixture.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'countersign-world-'));
});
afterEach(() => rm(directory, { recursive: true }));

const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

describe('the world', () => {
  it('is the same as long as its directory is, readable by its owner only, and another elsewhere', async () => {
    const world = await openWorld(join(directory, 'one'));
    expect(await openWorld(join(directory, 'one'))).toEqual(world);
    expect((await stat(join(directory, 'one', 'world-secrets.json'))).mode & 0o777).toBe(0o600);
    const other = await openWorld(join(directory, 'two'));
    expect(other.tenant).not.toBe(world.tenant);
    expect(other.broker.clientSecret).not.toBe(world.broker.clientSecret);
  });

  it('gives every party ids and secrets of its own', async () => {
    const world = await openWorld(directory);
    const workloads = [world.broker, ...world.agents, ...world.apis, ...world.services, ...world.tools];
    const ids = [...workloads.flatMap(({ clientId, objectId }) => [clientId, objectId]), world.tenant];
    ids.push(...world.people.map((person) => person.objectId));
    for (const id of ids) expect(id).toMatch(GUID);
    expect(new Set(ids).size).toBe(ids.length);
    const secrets = [...workloads.map((one) => one.clientSecret), ...world.people.map((one) => one.password)];
    for (const secret of secrets) expect(secret.length).toBeGreaterThanOrEqual(32);
    expect(new Set(secrets).size).toBe(secrets.length);
    expect(world.apis.map((api) => api.audience)).toHaveLength(9);
    expect(apiOf(world, 'api://reports.test')).toMatchObject({ name: 'reports', environment: 'test' });
    expect(toolOf(world, 'Auditor').roles).toEqual(['Auditor']);
  });

  it('names an owner for each agent, who is one of the people, and an approver who is not', async () => {
    const world = await openWorld(directory);
    const owner = personOf(world, 'owner');
    for (const agent of world.agents) {
      expect(agent.owners).toEqual([{ tenant: world.tenant, object: owner.objectId }]);
      expect(new X509Certificate(agent.certificate).subject).toBe(`CN=${agent.id}`);
    }
    expect(personOf(world, 'approver@lab.example').objectId).not.toBe(owner.objectId);
    expect(owner.roles).toContain('Approver.payroll');
    expect(() => agentOf(world, 'nobody')).toThrow('nobody');
  });

  it('says what to do when its file cannot be read as a world', async () => {
    for (const text of ['{"tenant":', '{"tenant":"x"}']) {
      await writeFile(join(directory, 'world-secrets.json'), text);
      await expect(openWorld(directory)).rejects.toThrow(/world-secrets\.json .*remove the lab's directory/);
    }
  });
});

describe('a restart of the stand-in', () => {
  const kidsOf = async (authority: string, tenant: string): Promise<string[]> => {
    const answer = await fetch(`${authority}/${tenant}/discovery/v2.0/keys`);
    return ((await answer.json()) as { keys: { kid: string }[] }).keys.map((key) => key.kid);
  };

  it('keeps tenant and certificate authority, and has new signing keys', async () => {
    const runs = [];
    for (let run = 0; run < 2; run += 1) {
      const entra = await startEntra({ world: await openWorld(directory), directory, port: 0 });
      if (run === 0) await trust(entra.caFile);
      const kids = await kidsOf(entra.authority, entra.tenant);
      runs.push({ tenant: entra.tenant, ca: await readFile(entra.caFile, 'utf8'), kids });
      await entra.stop();
      await expect(fetch(entra.authority)).rejects.toThrow();
    }
    const [first, second] = runs;
    expect(second?.tenant).toBe(first?.tenant);
    expect(second?.ca).toBe(first?.ca);
    expect(first?.kids.filter((kid) => second?.kids.includes(kid))).toEqual([]);
    expect((await stat(join(directory, 'entra-ca-key.pem'))).mode & 0o777).toBe(0o600);
  });

  it('answers under localhost too, and on loopback only', async () => {
    const entra = await startEntra({ world: await openWorld(directory), directory, port: 0 });
    await trust(entra.caFile);
    const port = Number(new URL(entra.authority).port);
    expect((await fetch(`https://localhost:${port}/`)).status).toBe(200);
    const elsewhere = Object.values(networkInterfaces()).flatMap((addresses) =>
      (addresses ?? []).filter((one) => one.family === 'IPv4' && !one.internal).map((one) => one.address),
    );
    for (const address of elsewhere) {
      const reached = await new Promise((resolve) => {
        const socket = connect({ host: address, port });
        socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      });
      expect(reached).toBe(false);
    }
    await entra.stop();
  });

  it('is refused on a port that is taken', async () => {
    const world = await openWorld(directory);
    const entra = await startEntra({ world, directory, port: 0 });
    const port = Number(new URL(entra.authority).port);
    await expect(startEntra({ world, directory, port })).rejects.toThrow('EADDRINUSE');
    await entra.stop();
  });
});
