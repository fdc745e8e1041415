/** Brokers that trust Entra otherwise than the lab's does, on the database of a world; and what workloads get from it. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { pino } from 'pino';
import { stringify } from 'yaml';
import { openWorkload, type WorkloadCredential } from '../../lab/workload.ts';
import { agentOf } from '../../lab/world.ts';
import { startBroker } from '../../src/broker.ts';
import { loadConfig } from '../../src/config.ts';
import { postForm, serviceAccountToken, type TestEntra } from '../lab/entra-fixture.ts';
import type { TestWorld } from './broker.ts';

/** Members of an entry of COUNTERSIGN_ENTRA. */
export type Trust = Readonly<Record<string, unknown>>;

/** How one stand-in's tenant is trusted, with something changed. */
export const trustIn = ({ world, entra }: TestEntra, change: Trust = {}): Trust => ({
  tenant: world.tenant,
  cloud: entra.authority,
  audiences: [world.broker.clientId],
  ...change,
});

let files = 0;

/** Starts one more broker of `world` that trusts exactly these tenants. */
export const startTrusting = async (world: TestWorld, trusts: readonly Trust[], entras: TestEntra[] = []) => {
  files += 1;
  const path = (name: string): string => join(world.entra.directory, `${name}-${files}`);
  const authorities = await Promise.all(
    [world.entra, ...entras].map(({ entra }) => readFile(entra.caFile, 'utf8')),
  );
  await writeFile(path('trusted.yaml'), stringify(trusts));
  await writeFile(path('authorities.pem'), authorities.join('\n'));
  return startBroker(
    loadConfig({
      ...world.settings,
      COUNTERSIGN_ENTRA: path('trusted.yaml'),
      COUNTERSIGN_ENTRA_CA: path('authorities.pem'),
      COUNTERSIGN_LISTEN: '127.0.0.1:0',
    }),
    pino({ enabled: false }),
  );
};

/** The assertion that msal-node gets for an agent of the lab. */
export const signInAs = (
  { world, entra }: TestEntra,
  id: string,
  kind: 'secret' | 'certificate' | 'federated',
): Promise<string> => {
  const { clientId, clientSecret, certificate, privateKey } = agentOf(world, id);
  const credentials: Readonly<Record<typeof kind, WorkloadCredential>> = {
    secret: { secret: clientSecret },
    certificate: { certificate, privateKey },
    federated: { federated: () => serviceAccountToken(entra, id) },
  };
  const address = { authority: `${entra.authority}/${entra.tenant}`, scope: entra.scope };
  return openWorkload(address, { clientId, credential: credentials[kind] })();
};

/** The version 1.0 token that an agent of the lab gets by its secret, for the resource as it is asked for. */
export const signInV1 = async (
  { world, entra }: TestEntra,
  id: string,
  resource: string,
): Promise<string> => {
  const { clientId, clientSecret } = agentOf(world, id);
  const answer = await postForm(entra, '/oauth2/token', {
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: clientSecret,
    resource,
  });
  return ((await answer.json()) as { access_token: string }).access_token;
};

/** What the trail has of the newest event of this name. */
export const newestEvent = async (world: TestWorld, name: string): Promise<Record<string, unknown>> => {
  const { rows } = await sql<{ data: Record<string, unknown> }>`
    select convert_from(body, 'UTF8')::jsonb as data from audit_events
    where name = ${name} order by position desc limit 1`.execute(world.database.db);
  return rows[0]?.data ?? {};
};
