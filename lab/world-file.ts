/**
 * `world.json`: where everything of a running lab is and how to be anybody in it, for tests and tools. It is a contract
 * with whoever reads it: names are only ever added. It holds the lab's secrets, so only its owner may read it.
 */
import { COMPILATIONS } from './agents/served-api.ts';
import { ALL_APIS } from './apis/all-apis.ts';
import type { Api, Environment } from './apis/api.ts';
import type { Entra } from './entra/start-entra.ts';
import { SCENARIOS } from './scenarios.ts';
import type { Ports } from './settings.ts';
import type { World } from './world.ts';

export type WorldFile = {
  readonly issuer: string;
  readonly token_endpoint: string;
  /** Dotenv file with which `countersign --env-file` reaches the same broker. */
  readonly environment: string;
  readonly entra: {
    readonly authority: string;
    readonly ca_file: string;
    readonly tenant: string;
    readonly scope: string;
  };
  readonly agents: readonly {
    readonly id: string;
    readonly client_id: string;
    readonly client_secret: string;
    readonly object_id: string;
    readonly owners: readonly { readonly tenant: string; readonly object: string }[];
    readonly url: string;
  }[];
  readonly apis: readonly {
    readonly audience: string;
    readonly environment: Environment;
    readonly url: string;
    readonly scopes: readonly string[];
    readonly client_id: string;
    readonly client_secret: string;
    readonly object_id: string;
    readonly calls: readonly { readonly scope: string; readonly method: string; readonly path: string }[];
  }[];
  readonly people: readonly {
    readonly username: string;
    readonly password: string;
    readonly object_id: string;
    readonly roles: readonly string[];
  }[];
  readonly tools: readonly {
    readonly client_id: string;
    readonly client_secret: string;
    readonly roles: readonly string[];
  }[];
  readonly scenarios: readonly {
    readonly name: string;
    readonly agent: string;
    readonly audience: string;
    readonly scope: string;
    readonly decision: string;
  }[];
  readonly demo_url: string;
};

const apiNamed = (name: string): Api => {
  const api = ALL_APIS.find((candidate) => candidate.name === name);
  if (api === undefined) throw new Error(`the lab has no API called ${name}`);
  return api;
};

const apisOf = (world: World, ports: Ports): WorldFile['apis'] =>
  world.apis.map(({ name, environment, audience, clientId, clientSecret, objectId }) => ({
    audience,
    environment,
    url: `http://127.0.0.1:${ports.apis[name]}/${environment}`,
    scopes: Object.keys(apiNamed(name).scopes),
    client_id: clientId,
    client_secret: clientSecret,
    object_id: objectId,
    calls: apiNamed(name)
      .open(environment)
      .map(({ scope, method, example }) => ({ scope, method, path: example })),
  }));

const servicesOf = (world: World, ports: Ports): WorldFile['apis'] =>
  world.services.map(({ agent, environment, audience, clientId, clientSecret, objectId }) => ({
    audience,
    environment,
    url: `http://127.0.0.1:${ports.agents.get(agent)}`,
    scopes: Object.keys(COMPILATIONS.scopes),
    client_id: clientId,
    client_secret: clientSecret,
    object_id: objectId,
    calls: [{ scope: COMPILATIONS.scope, method: COMPILATIONS.method, path: COMPILATIONS.path }],
  }));

/** Describes a lab; `issuer` and `environment` are its broker's. */
export const worldFile = (
  { issuer, environment }: { issuer: string; environment: string },
  { world, entra, ports }: { world: World; entra: Entra; ports: Ports },
): WorldFile => ({
  issuer,
  token_endpoint: `${issuer}/token`,
  environment,
  entra: { authority: entra.authority, ca_file: entra.caFile, tenant: entra.tenant, scope: entra.scope },
  agents: world.agents.map(({ id, clientId, clientSecret, objectId, owners }) => ({
    id,
    client_id: clientId,
    client_secret: clientSecret,
    object_id: objectId,
    owners,
    url: `http://127.0.0.1:${ports.agents.get(id)}`,
  })),
  apis: [...apisOf(world, ports), ...servicesOf(world, ports)],
  people: world.people.map(({ username, password, objectId, roles }) => ({
    username,
    password,
    object_id: objectId,
    roles,
  })),
  tools: world.tools.map(({ clientId, clientSecret, roles }) => ({
    client_id: clientId,
    client_secret: clientSecret,
    roles,
  })),
  scenarios: SCENARIOS.map(({ name, agent, audience, scope, decision }) => ({
    name,
    agent,
    audience,
    scope,
    decision,
  })),
  demo_url: `http://127.0.0.1:${ports.demo}`,
});
