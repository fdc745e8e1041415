/** The settings that say which Entra tenants are trusted, for the broker and for commands that need no more. */

import type { Environment } from './config.ts';
import { ConfigInvalid, openReader, parseCertificate, type Reader } from './config-reader.ts';
import { parseTrustedTenants, type TrustedTenant } from './identity/trusted-tenants.ts';

export type EntraSettings = {
  readonly tenants: readonly TrustedTenant[];
  /** PEM of the CA of a private authority. */
  readonly entraCa: string | null;
};

const readTenants = ({ read, file, required }: Reader): TrustedTenant[] => {
  const path = read('COUNTERSIGN_ENTRA');
  const text = path === undefined ? undefined : file('COUNTERSIGN_ENTRA', path);
  if (path !== undefined && text === undefined) return [];
  const advice = 'name the YAML file that lists the trusted Entra tenants';
  return required('COUNTERSIGN_ENTRA', text, { parse: parseTrustedTenants, advice }) ?? [];
};

/** Notes every problem with the reader. */
export const readEntra = (reader: Reader): EntraSettings => {
  const tenants = readTenants(reader);
  const caFile = reader.read('COUNTERSIGN_ENTRA_CA');
  const ca = caFile === undefined ? undefined : reader.file('COUNTERSIGN_ENTRA_CA', caFile);
  return { tenants, entraCa: reader.parsed('COUNTERSIGN_ENTRA_CA', ca, parseCertificate) ?? null };
};

/** Throws `ConfigInvalid`. */
export const loadEntraSettings = (environment: Environment): EntraSettings => {
  const reader = openReader(environment);
  const settings = readEntra(reader);
  if (reader.problems.length > 0) throw new ConfigInvalid(reader.problems);
  return settings;
};
