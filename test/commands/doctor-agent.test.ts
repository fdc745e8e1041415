/** What the doctor says of a good token: which agent of the registry it is, or why it is none. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { agentOf } from '../../lab/world.ts';
import { applyRegistry } from '../../src/registry/apply.ts';
import { readRegistry } from '../../src/registry/registry-file.ts';
import type { RegistryDocument } from '../../src/registry/registry-schema.ts';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { signInAs } from '../support/entra-modes.ts';
import { checkPromises } from '../support/promises.ts';
import { adviceOn, examine, examineToken as examineSecret, messages } from './doctor-fixture.ts';

let world: TestWorld;
let registry: RegistryDocument;

beforeAll(async () => {
  world = await startWorld();
  registry = await readRegistry([world.settings.COUNTERSIGN_REGISTRY ?? '']);
});
afterEach(() => checkPromises(world.database));
afterAll(() => world.stop());

const signed = (claims: Readonly<Record<string, unknown>> = {}): Promise<string> =>
  world.assertion('support-agent', { claims });

const examineToken = (token: string) => examineSecret(world.settings, token);

describe('a good token', () => {
  it.each(['secret', 'certificate', 'federated'] as const)('is told with its agent: by %s', async (kind) => {
    const examined = await examineToken(await signInAs(world.entra, 'support-agent', kind));
    expect(examined.code).toBe(0);
    expect(messages(examined, 'ok', 'token')[0]).toMatch(
      new RegExp(
        `^the assertion is good: version 2.0, .*credential ${kind === 'secret' ? 'secret' : 'certificate'}`,
      ),
    );
    expect(messages(examined, 'ok', 'agent')).toEqual([
      'the workload is the agent support-agent, which is enabled',
    ]);
    expect(messages(examined, 'note', 'token')).toHaveLength(kind === 'secret' ? 1 : 0);
  });

  it('is found in what Entra or az answered, or after Bearer', async () => {
    const token = await signed();
    for (const pasted of [
      `${token}\n`,
      `Authorization: Bearer ${token}`,
      JSON.stringify({ token_type: 'Bearer', access_token: token }),
      JSON.stringify({ accessToken: token, tenant: 'x' }),
    ])
      expect((await examine(world.settings, pasted)).code).toBe(0);
  });

  it('of an API or of a tool is no agent, and that is no problem', async () => {
    const api = await examineToken(await world.assertion('api://knowledge.prod'));
    expect(api.code).toBe(0);
    expect(messages(api, 'note', 'agent')).toEqual([
      'the workload is the API api://knowledge.prod: it may report uses, not ask for access',
    ]);
    const tool = await examineToken(await world.assertion('tool'));
    expect(tool.code).toBe(0);
    expect(messages(tool, 'note', 'agent')).toEqual([
      'no agent of the registry has this workload; with the app role Auditor it may read the pages as a tool',
    ]);
  });

  it('of a stranger is good, and no agent', async () => {
    const object = '6f1b2a3c-0000-4000-8000-00000000b009';
    const examined = await examineToken(await signed({ oid: object, sub: object, azp: object }));
    expect(examined.code).toBe(1);
    expect(messages(examined, 'problem', 'agent')).toEqual(['no agent of the registry has this workload']);
    expect(adviceOn(examined, 'no agent')).toContain(`object: ${object}, application: ${object}`);
  });
});

describe('a workload that is nearly an agent', () => {
  const registered = async (changes: object): Promise<void> => {
    const agents = registry.agents.map((agent) =>
      agent.id === 'support-agent' ? { ...agent, ...changes } : agent,
    );
    await applyRegistry(world.database, { ...registry, agents }, { reason: 't', appliedBy: 't' });
  };
  const ids = () => {
    const { objectId, clientId } = agentOf(world.entra.world, 'support-agent');
    return { tenant: world.entra.world.tenant, object: objectId, application: clientId };
  };
  const OTHER = '6f1b2a3c-0000-4000-8000-00000000a009';

  it('is told which id the registry has wrong', async () => {
    const cases: [object, string][] = [
      [
        { object: OTHER },
        "the object id of the app registration was put in the registry instead of the service principal's",
      ],
      [{ object: ids().application }, 'the application id was put as workload.object of support-agent'],
      [{ application: OTHER }, `support-agent is registered with the application id ${OTHER}`],
      [{ tenant: OTHER }, `support-agent is registered with the tenant ${OTHER}`],
    ];
    for (const [wrong, message] of cases) {
      await registered({ workload: { ...ids(), ...wrong } });
      const examined = await examineToken(await signed());
      expect(examined.code).toBe(1);
      expect(messages(examined, 'ok', 'token')).toHaveLength(1);
      expect(messages(examined, 'problem', 'agent')).toEqual([expect.stringContaining(message)]);
      expect(adviceOn(examined, message)).toContain(`object: ${ids().object}`);
    }
  });

  it('is told that the agent is disabled', async () => {
    await registered({ enabled: false });
    expect(messages(await examineToken(await signed()), 'problem', 'agent')).toEqual([
      'the workload is the agent support-agent, which is disabled',
    ]);
    await registered({});
  });
});
