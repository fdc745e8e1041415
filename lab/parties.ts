/** Starts those who play with the broker: the APIs, the agents and the demo page. Each proves itself to Entra its own way. */
import { z } from 'zod';
import { createProofKey } from './agents/proof-key.ts';
import type { KnownApi } from './agents/run.ts';
import type { ServiceOptions } from './agents/serve-agents.ts';
import { startAgent } from './agents/start-agent.ts';
import { ALL_APIS } from './apis/all-apis.ts';
import { startApi } from './apis/start-api.ts';
import { startDemo } from './demo/start-demo.tsx';
import { createTraceReader } from './demo/trace.ts';
import type { Entra } from './entra/start-entra.ts';
import type { Ports } from './settings.ts';
import type { WebServer } from './web-server.ts';
import { openWorkload, type WorkloadCredential } from './workload.ts';
import { toolOf, type World, type WorldAgent } from './world.ts';
import type { WorldFile } from './world-file.ts';

export type Stage = {
  readonly world: World;
  readonly entra: Entra;
  readonly ports: Ports;
  readonly file: WorldFile;
  /** A line for the terminal. */
  readonly say: (line: string) => void;
};

const serviceAccountToken = z.object({ token: z.string() });

/** What the cluster projects into the agent's pod: a token of its own, which Entra trusts. */
const podToken = (entra: Entra, agent: string) => async (): Promise<string> => {
  const response = await fetch(`${entra.authority}/lab/service-account-token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ agent }),
  });
  return serviceAccountToken.parse(await response.json()).token;
};

/** Each agent shows another way to prove itself to Entra. */
const credentialOf = (entra: Entra, agent: WorldAgent): { words: string; credential: WorkloadCredential } => {
  switch (agent.id) {
    case 'support-agent':
      return {
        words: "its pod's service account token (no secret at all)",
        credential: { federated: podToken(entra, agent.id) },
      };
    case 'reporting-agent':
      return {
        words: 'a certificate',
        credential: { certificate: agent.certificate, privateKey: agent.privateKey },
      };
    default:
      return { words: 'a client secret', credential: { secret: agent.clientSecret } };
  }
};

const addressOf = (entra: Entra): { authority: string; scope: string } => ({
  authority: `${entra.authority}/${entra.tenant}`,
  scope: entra.scope,
});

const startApis = ({ world, entra, ports, file, say }: Stage): Promise<WebServer>[] =>
  ALL_APIS.map((api) =>
    startApi(api, {
      port: ports.apis[api.name],
      issuer: file.issuer,
      environments: world.apis
        .filter(({ name }) => name === api.name)
        .map(({ environment, audience, clientId, clientSecret }) => ({
          environment,
          audience,
          resource: file.apis.find((known) => known.audience === audience)?.url ?? '',
          credential: openWorkload(addressOf(entra), { clientId, credential: { secret: clientSecret } }),
        })),
      onProblem: (problem) => say(`${api.name} API: ${problem}`),
    }),
  );

/** What `agent` needs to serve other agents, if it does. */
const serviceOf = ({ world, entra, file, say }: Stage, agent: WorldAgent): ServiceOptions | null => {
  const served = world.services.find((service) => service.agent === agent.id);
  if (served === undefined) return null;
  const { clientId, clientSecret } = served;
  return {
    issuer: file.issuer,
    url: file.agents.find(({ id }) => id === agent.id)?.url ?? '',
    credential: openWorkload(addressOf(entra), { clientId, credential: { secret: clientSecret } }),
    onProblem: (problem) => say(`${agent.id}: ${problem}`),
  };
};

const startAgents = (stage: Stage): Promise<WebServer>[] =>
  stage.world.agents.map((agent) => {
    const { entra, ports, file } = stage;
    const { words, credential } = credentialOf(entra, agent);
    const apis: readonly KnownApi[] = file.apis;
    return startAgent({
      id: agent.id,
      port: ports.agents.get(agent.id) ?? 0,
      tokenEndpoint: file.token_endpoint,
      assertion: openWorkload(addressOf(entra), { clientId: agent.clientId, credential }),
      credentialWords: words,
      apis,
      prove: agent.id === 'ops-agent' ? createProofKey() : null,
      service: serviceOf(stage, agent),
    });
  });

const startDemoPage = ({ world, entra, ports, file }: Stage): Promise<WebServer> => {
  const { clientId, clientSecret } = toolOf(world, 'Auditor');
  const assertion = openWorkload(addressOf(entra), { clientId, credential: { secret: clientSecret } });
  return startDemo({
    port: ports.demo,
    lab: { issuer: file.issuer, accounts: file.people },
    agents: new Map(file.agents.map(({ id, url }) => [id, url])),
    readTrace: createTraceReader(file.issuer, assertion),
  });
};

/** Starts all of them; the result closes them, those first that others do not need. */
export const startParties = async (stage: Stage): Promise<() => Promise<void>> => {
  const apis = await Promise.all(startApis(stage));
  const agents = await Promise.all(startAgents(stage));
  const demo = await startDemoPage(stage);
  return async () => {
    await demo.close();
    await Promise.all(agents.map((agent) => agent.close()));
    await Promise.all(apis.map((api) => api.close()));
  };
};
