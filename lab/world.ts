/**
 * The lab's world: who exists in its Entra tenant, with which ids and which secrets. Made once at random and kept in
 * the lab's directory, so that registrations, owners and audit trails still name the same parties after a restart.
 * Nothing is shared between two labs: a secret that leaks from one opens no other.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { COMPILATIONS } from './agents/served-api.ts';
import { createSelfSigned } from './entra/certificates.ts';

const guid = z.guid();
const workload = { clientId: guid, clientSecret: z.string(), objectId: guid };

const worldSchema = z.strictObject({
  /** The one Entra tenant, a lower-case GUID. */
  tenant: guid,
  /** The broker's registration: the API that agents ask Entra for, and the console that people sign in to. */
  broker: z.strictObject({ ...workload, appIdUri: z.string() }),
  agents: z.array(
    z.strictObject({
      /** The agent's id at the broker. */
      id: z.string(),
      ...workload,
      /** Registered at Entra beside the secret; PEM, the key as PKCS #8. */
      certificate: z.string(),
      privateKey: z.string(),
      owners: z.array(z.strictObject({ tenant: guid, object: guid })),
    }),
  ),
  /** One workload for each audience: an API may introspect the tokens for its own audience only. */
  apis: z.array(
    z.strictObject({
      name: z.enum(['knowledge', 'reports', 'operations']),
      environment: z.enum(['dev', 'test', 'prod']),
      audience: z.string(),
      ...workload,
    }),
  ),
  /** What agents serve to other agents: an API as well, with a workload that is not the agent's. */
  services: z.array(
    z.strictObject({ agent: z.string(), environment: z.literal('prod'), audience: z.string(), ...workload }),
  ),
  /** Programs that read the console's pages as JSON. */
  tools: z.array(z.strictObject({ name: z.string(), ...workload, roles: z.array(z.string()) })),
  people: z.array(
    z.strictObject({
      username: z.string(),
      displayName: z.string(),
      password: z.string(),
      objectId: guid,
      roles: z.array(z.string()),
    }),
  ),
});

/** Everything and everybody of the lab's tenant, secrets included. */
export type World = z.infer<typeof worldSchema>;
export type WorldAgent = World['agents'][number];
export type WorldApi = World['apis'][number];
export type WorldService = World['services'][number];
export type WorldTool = World['tools'][number];
export type WorldPerson = World['people'][number];

/** What the broker's registration is called as an API at Entra; `/.default` after it is the scope to ask for. */
export const BROKER_APP_ID_URI = 'api://countersign';

const WORLD_FILE = 'world-secrets.json';
const APPROVER_ROLES = ['Approver', 'Approver.payroll', 'Approver.knowledge', 'Approver.release'];
const PEOPLE: readonly { readonly name: string; readonly roles: readonly string[] }[] = [
  { name: 'approver', roles: APPROVER_ROLES },
  { name: 'second-approver', roles: APPROVER_ROLES },
  { name: 'owner', roles: APPROVER_ROLES },
  { name: 'auditor', roles: ['Auditor'] },
  { name: 'operator', roles: ['Operator'] },
  { name: 'security-admin', roles: ['SecurityAdmin'] },
  { name: 'visitor', roles: [] },
];
const TOOLS: readonly { readonly name: string; readonly roles: readonly string[] }[] = [
  { name: 'audit-reader', roles: ['Auditor'] },
  { name: 'operations-desk', roles: ['Auditor', 'Operator'] },
];
const AGENTS = ['support-agent', 'reporting-agent', 'ops-agent'] as const;
const APIS = ['knowledge', 'reports', 'operations'] as const;
const ENVIRONMENTS = ['dev', 'test', 'prod'] as const;

const newSecret = (): string => randomBytes(24).toString('base64url');
const newWorkload = (): { clientId: string; clientSecret: string; objectId: string } => ({
  clientId: randomUUID(),
  clientSecret: newSecret(),
  objectId: randomUUID(),
});

const createWorld = async (now: Date): Promise<World> => {
  const tenant = randomUUID();
  const ownerId = randomUUID();
  return {
    tenant,
    broker: { ...newWorkload(), appIdUri: BROKER_APP_ID_URI },
    agents: await Promise.all(
      AGENTS.map(async (id) => ({
        id,
        ...newWorkload(),
        ...(await createSelfSigned(id, now)),
        owners: [{ tenant, object: ownerId }],
      })),
    ),
    apis: APIS.flatMap((name) =>
      ENVIRONMENTS.map((environment) => ({
        name,
        environment,
        audience: `api://${name}.${environment}`,
        ...newWorkload(),
      })),
    ),
    services: [COMPILATIONS].map(({ agent, environment, audience }) => ({
      agent,
      environment,
      audience,
      ...newWorkload(),
    })),
    tools: TOOLS.map(({ name, roles }) => ({ name, ...newWorkload(), roles: [...roles] })),
    people: PEOPLE.map(({ name, roles }) => ({
      username: `${name}@lab.example`,
      displayName: `Lab ${name.replace('-', ' ')}`,
      password: newSecret(),
      objectId: name === 'owner' ? ownerId : randomUUID(),
      roles: [...roles],
    })),
  };
};

const readWorld = async (file: string): Promise<World | undefined> => {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return worldSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new Error(`${file} is not a world this lab can read: remove the lab's directory to begin anew`, {
      cause,
    });
  }
};

/**
 * Opens the world kept in `directory` (made if it is not there), or makes a new one and keeps it in
 * `world-secrets.json`, readable by its owner only.
 * @throws Error when the file is there and cannot be read as a world
 */
export const openWorld = async (directory: string): Promise<World> => {
  await mkdir(directory, { recursive: true });
  const file = join(directory, WORLD_FILE);
  const kept = await readWorld(file);
  if (kept !== undefined) {
    await chmod(file, 0o600);
    return kept;
  }
  const world = await createWorld(new Date());
  // Written aside and renamed: a crash leaves either no world or a whole one.
  await writeFile(`${file}.new`, `${JSON.stringify(world, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
  return world;
};

const found = <Party>(party: Party | undefined, name: string): Party => {
  if (party === undefined) throw new Error(`nobody in the lab's world is called ${name}`);
  return party;
};

/** The agent with this id at the broker. @throws Error when there is none */
export const agentOf = (world: World, id: string): WorldAgent =>
  found(
    world.agents.find((agent) => agent.id === id),
    id,
  );

/** The API workload of this audience, of an agent's service too. @throws Error when there is none */
export const apiOf = (world: World, audience: string): WorldApi | WorldService =>
  found(
    [...world.apis, ...world.services].find((api) => api.audience === audience),
    audience,
  );

/** The first tool that holds this app role; tools are in order of their power. @throws Error when there is none */
export const toolOf = (world: World, role: string): WorldTool =>
  found(
    world.tools.find((tool) => tool.roles.includes(role)),
    role,
  );

/** The person with this user name, with or without its domain. @throws Error when there is none */
export const personOf = (world: World, username: string): WorldPerson =>
  found(
    world.people.find(
      (person) => person.username === username || person.username === `${username}@lab.example`,
    ),
    username,
  );

/** The Kubernetes service account that an agent runs as: the `sub` of its federated assertion. */
export const serviceAccountOf = (agentId: string): string => `system:serviceaccount:agents:${agentId}`;
