/**
 * What the lab writes for the broker: the same files that an operator would write by hand, and nothing else. With the
 * environment file anybody in the lab reaches the same broker: `npx countersign ... --env-file .lab/broker.env`.
 */
import { randomBytes } from 'node:crypto';
import { chmod, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Entra } from './entra/start-entra.ts';
import { packageFile } from './package-file.ts';
import { registryYaml } from './registry-yaml.ts';
import type { LabSettings, Ports } from './settings.ts';
import type { World } from './world.ts';

export type BrokerFiles = {
  /** The public address of the broker. */
  readonly issuer: string;
  /** Dotenv file with all of its configuration, absolute; readable by its owner only. */
  readonly environment: string;
};

const KEY_BYTES = 32;
/** A lab is there to be tried out: room for experiments and load, but a flood of bad assertions still meets a limit. */
const RATE_LIMITS =
  'address=600,exchange=6000,miss=6000,poll=60000,audience=60000,report=60000,introspection=60000,vote=600,sign_in=600,open=10000';

/** Written aside and renamed, so that a reader never sees half a file. */
export const writePrivate = async (file: string, text: string): Promise<void> => {
  await writeFile(`${file}.new`, text, { mode: 0o600 });
  await rename(`${file}.new`, file);
};

/** The broker's own key outlives a restart, like the database that it encrypts keys in. */
const keepKey = async (file: string): Promise<void> => {
  try {
    await readFile(file);
    await chmod(file, 0o600);
  } catch {
    await writePrivate(file, `${randomBytes(KEY_BYTES).toString('base64')}\n`);
  }
};

const entraYaml = (world: World, entra: Entra): string =>
  stringify([
    {
      tenant: world.tenant,
      cloud: entra.authority,
      versions: ['1.0', '2.0'],
      audiences: [world.broker.clientId, world.broker.appIdUri],
    },
  ]);

/** Single quotes, so that nothing in a value is taken for syntax. */
const dotenv = (values: Readonly<Record<string, string>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name}='${value}'\n`)
    .join('');

/** Writes registry, tenants, key and environment into the lab's directory. */
export const writeBrokerFiles = async (
  { directory, brokerUrl }: LabSettings,
  { world, entra, ports }: { world: World; entra: Entra; ports: Ports },
): Promise<BrokerFiles> => {
  const file = (name: string): string => join(directory, name);
  const issuer = brokerUrl ?? `http://127.0.0.1:${ports.broker}`;
  await writeFile(file('registry.yaml'), registryYaml(world));
  await writeFile(file('entra.yaml'), entraYaml(world, entra));
  await keepKey(file('key-encryption-key'));
  await writePrivate(
    file('broker.env'),
    dotenv({
      COUNTERSIGN_URL: issuer,
      COUNTERSIGN_LISTEN: `127.0.0.1:${ports.broker}`,
      COUNTERSIGN_OPERATIONS_LISTEN: `127.0.0.1:${ports.operations}`,
      COUNTERSIGN_DATABASE: `embedded:${file('database')}`,
      COUNTERSIGN_REGISTRY: file('registry.yaml'),
      COUNTERSIGN_POLICY: packageFile('policies/bundle.tar.gz'),
      COUNTERSIGN_ENTRA: file('entra.yaml'),
      COUNTERSIGN_ENTRA_CA: entra.caFile,
      COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE: file('key-encryption-key'),
      COUNTERSIGN_RATE_LIMITS: RATE_LIMITS,
      COUNTERSIGN_SIGN_IN_TENANT: world.tenant,
      COUNTERSIGN_SIGN_IN_CLIENT_ID: world.broker.clientId,
      COUNTERSIGN_SIGN_IN_CLIENT_SECRET: world.broker.clientSecret,
    }),
  );
  return { issuer, environment: file('broker.env') };
};
