/** Everything that must be right between a broker and Entra, looked at in one go. Changes nothing, and shows no secret. */
import type { Logger } from 'pino';
import { type Config, type Environment, loadConfig, loadStorageSettings } from '../config.ts';
import { ConfigInvalid } from '../config-reader.ts';
import { type EntraSettings, loadEntraSettings } from '../entra-settings.ts';
import type { KeySet } from '../identity/parse-key-set.ts';
import { buildRegistry } from '../registry/build-registry.ts';
import type { Registry } from '../registry/registry.ts';
import { readRegistry } from '../registry/registry-file.ts';
import { checkIssuer } from './check-issuer.ts';
import { checkSignIn } from './check-sign-in.ts';
import { checkStorage, describeRegistry } from './check-storage.ts';
import { checkToken } from './check-token.ts';
import { type Finding, type Findings, failureWords } from './finding.ts';

export type Diagnosis = {
  readonly environment: Environment;
  /** To be looked at, too; null: none. */
  readonly token: string | null;
  readonly clock: () => Date;
  readonly logger: Logger;
};

/** The revision of a registry that was read from files. */
const UNNUMBERED = 0;

/** What `load` gives; null for a configuration with problems, which are told by the whole of it. */
const usable = <Value>(load: () => Value): Value | null => {
  try {
    return load();
  } catch (error) {
    if (error instanceof ConfigInvalid) return null;
    throw error;
  }
};

const checkConfiguration = (environment: Environment): Findings => {
  const check = 'configuration';
  try {
    loadConfig(environment);
    return [{ check, status: 'ok', message: 'every setting is usable' }];
  } catch (error) {
    if (!(error instanceof ConfigInvalid)) throw error;
    return error.problems.map((message) => ({ check, status: 'problem', message }));
  }
};

const checkTenants = async ({ tenants, entraCa }: EntraSettings, clock: () => Date) => {
  const sources = tenants.flatMap((tenant) =>
    tenant.issuers.map((trust) => ({
      tenant,
      trust,
      ca: tenant.privateAuthority ? (entraCa ?? undefined) : undefined,
      clock,
    })),
  );
  const checked = await Promise.all(
    sources.map(async (source) => ({ issuer: source.trust.issuer, ...(await checkIssuer(source)) })),
  );
  const keySets = new Map<string, KeySet>();
  for (const { issuer, keys } of checked) if (keys !== null) keySets.set(issuer, keys);
  return { findings: checked.flatMap(({ findings }) => findings), keySets };
};

/** What the first start would put in force, for a broker that has not started yet. */
const registryOfFiles = async (
  config: Config,
): Promise<{ readonly findings: Findings; readonly registry: Registry | null }> => {
  if (config.registryFiles.length === 0) return { findings: [], registry: null };
  try {
    const registry = buildRegistry(UNNUMBERED, await readRegistry(config.registryFiles));
    const note: Finding = {
      check: 'registry',
      status: 'note',
      message: 'read from the files of COUNTERSIGN_REGISTRY, since none in force could be read',
    };
    return { findings: [note, ...describeRegistry(registry, config.tenants)], registry };
  } catch (error) {
    const message = `the files of COUNTERSIGN_REGISTRY cannot be used: ${failureWords(error)}`;
    return { findings: [{ check: 'registry', status: 'problem', message }], registry: null };
  }
};

/** Once for each thing: two versions of one tenant have one clock. */
const distinct = (findings: Findings): Findings => [
  ...new Map(findings.map((finding) => [`${finding.check} ${finding.message}`, finding])).values(),
];

/** Looks at configuration, tenants, keys, clocks, database, sign-in and a token; goes on past what is wrong. */
export const diagnose = async ({ environment, token, clock, logger }: Diagnosis): Promise<Findings> => {
  const config = usable(() => loadConfig(environment));
  const entra = usable(() => loadEntraSettings(environment)) ?? { tenants: [], entraCa: null };
  const settings = usable(() => loadStorageSettings(environment));
  const [tenants, storage, signIn] = await Promise.all([
    checkTenants(entra, clock),
    settings === null
      ? { findings: [], registry: null }
      : checkStorage({ settings, tenants: entra.tenants, clock, logger }),
    config === null ? [] : checkSignIn(config),
  ]);
  const files =
    storage.registry === null && config !== null
      ? await registryOfFiles(config)
      : { findings: [], registry: null };
  const examination = {
    tenants: entra.tenants,
    keySets: tenants.keySets,
    registry: storage.registry ?? files.registry,
    ownIssuer: config?.url ?? null,
    now: clock(),
  };
  return distinct([
    ...checkConfiguration(environment),
    ...tenants.findings,
    ...storage.findings,
    ...files.findings,
    ...signIn,
    ...(token === null ? [] : await checkToken(token, examination)),
  ]);
};
