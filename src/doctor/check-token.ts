/**
 * A token that somebody pasted, judged by the broker's own verifier and then explained. Of the token nothing is shown but
 * single claims: who reads the answer cannot use it.
 */
import { createAssertionVerifier } from '../identity/assertion-verifier.ts';
import { parseCompactJws } from '../identity/compact-jws.ts';
import { KeysUnavailable } from '../identity/keys-unavailable.ts';
import type { KeySet } from '../identity/parse-key-set.ts';
import { isGuid, type TrustedTenant } from '../identity/trusted-tenants.ts';
import type { VerifiedWorkload } from '../identity/verified-workload.ts';
import { ASSERTION_REASONS } from '../reasons/assertion.ts';
import type { Registry } from '../registry/registry.ts';
import { explainAgent } from './explain-agent.ts';
import { explainIssuer } from './explain-issuer.ts';
import { explainKind, type ReadToken } from './explain-kind.ts';
import { explainWorkload } from './explain-workload.ts';
import type { Finding, Findings } from './finding.ts';

export type TokenExamination = {
  readonly tenants: readonly TrustedTenant[];
  /** The key sets just fetched, by issuer. */
  readonly keySets: ReadonlyMap<string, KeySet>;
  /** Null: it cannot be told whose token this is. */
  readonly registry: Registry | null;
  /** Our own issuer, where it is configured. */
  readonly ownIssuer: string | null;
  readonly now: Date;
};

const accepted = (workload: VerifiedWorkload, now: Date): Finding => {
  const { tenantId, objectId, applicationId, credential, version, roles, expiresAt } = workload;
  const left = expiresAt - Math.floor(now.getTime() / 1000);
  return {
    check: 'token',
    status: 'ok',
    message:
      `the assertion is good: version ${version}, tenant ${tenantId}, object ${objectId}, application ${applicationId}, ` +
      `credential ${credential}, roles ${roles.join(' ') || 'none'}, ${left} s left`,
  };
};

const verdictOf = async (token: string, examination: TokenExamination): Promise<Finding> => {
  const { tenants, keySets, now } = examination;
  const find = async (issuer: string, keyId: string) => {
    const set = keySets.get(issuer);
    if (set === undefined) throw new KeysUnavailable(issuer, 0);
    return set.keys.get(keyId) ?? 'unknown';
  };
  try {
    const verified = await createAssertionVerifier({ tenants, keys: { find } })(token, now);
    if ('workload' in verified) return accepted(verified.workload, now);
    const { meaning, advice } = ASSERTION_REASONS[verified.reason];
    return {
      check: 'token',
      status: 'problem',
      message: `the broker refuses it as ${verified.reason}: ${meaning}`,
      advice,
    };
  } catch (error) {
    if (!(error instanceof KeysUnavailable)) throw error;
    const message = 'whether its signature is good cannot be told: the keys of its issuer cannot be had';
    return { check: 'token', status: 'problem', message };
  }
};

const explainParts = ({ payload }: ReadToken, examination: TokenExamination): Findings => {
  const { tenants, registry, now } = examination;
  const { findings, tenant } = explainIssuer(payload, tenants);
  const { tid, oid, azp, appid, roles } = payload;
  const application = azp ?? appid;
  const named = isGuid(tid) && isGuid(oid) && isGuid(application) && payload.scp === undefined;
  const whose =
    named && registry !== null && tenant !== null
      ? explainAgent(registry, { tenant: tid, object: oid, application, roles })
      : [];
  return [...findings, ...(tenant === null ? [] : explainWorkload(payload, tenant, now)), ...whose];
};

/** Judges and explains a token. */
export const checkToken = async (token: string, examination: TokenExamination): Promise<Findings> => {
  const verdict = await verdictOf(token, examination);
  const read = parseCompactJws(token);
  if ('reason' in read) return [verdict];
  // What was accepted is no other kind of token, whatever it looks like.
  const kind = verdict.status === 'ok' ? [] : explainKind(read, examination.ownIssuer);
  return [verdict, ...(kind.length > 0 ? kind : explainParts(read, examination))];
};
