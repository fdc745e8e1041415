/** The registry as the broker reads it: who may ask (agents) and for what (resources). */

export type Environment = 'dev' | 'test' | 'prod';
export type Sensitivity = 'low' | 'moderate' | 'high' | 'critical';

/** A person or workload in Entra: tenant and object id together, never a name or a mail address. */
export type Principal = { readonly tenant: string; readonly object: string };

/** Compared as Entra means ids, whatever their letters' case. */
export const isSamePrincipal = (a: Principal, b: Principal): boolean =>
  a.tenant.toLowerCase() === b.tenant.toLowerCase() && a.object.toLowerCase() === b.object.toLowerCase();

/** RFC 9396 `authorization_details`; each element has a `type` that its resource registers. */
export type AuthorizationDetails = readonly Readonly<Record<string, unknown>>[];

export type Agent = {
  /** Assigned by us, of a form that no Entra identifier has; `sub` and `client_id` of its tokens. */
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly enabled: boolean;
  /** The Entra workload that is this agent; all three must match. */
  readonly workload: Principal & { readonly application: string };
  /** People who answer for the agent: they may not approve for it. Never empty. */
  readonly owners: readonly Principal[];
  /** People for whom the agent works: they may not approve for it either. */
  readonly sponsors: readonly Principal[];
  /** Set when the agent belongs to one environment. */
  readonly environment: Environment | null;
  /** The ceiling: audience -> scopes it may ever ask for. */
  readonly ceiling: ReadonlyMap<string, ReadonlySet<string>>;
};

export type Resource = {
  /** The `aud` of its tokens, an absolute URI such as `api://knowledge.prod`. */
  readonly audience: string;
  readonly name: string;
  readonly description: string;
  readonly enabled: boolean;
  readonly environment: Environment;
  readonly sensitivity: Sensitivity;
  /** Scope (action) -> what it does, in words for approvers. */
  readonly scopes: ReadonlyMap<string, string>;
  /** What its access tokens are signed with (RFC 9068 section 2.1). */
  readonly tokenSigningAlgorithm: 'ES256' | 'RS256';
  /** Granted when a request names no scope; may be empty. */
  readonly defaultScopes: readonly string[];
  /** The API's own Entra workload, with which it calls the broker; null if it never does. */
  readonly workload: Principal | null;
  /** Whether fewer items in this list of a type of details mean less: an approver may take some away. */
  readonly mayShorten: (type: string, field: string) => boolean;
  /** Returns null when every element is of a registered type (RFC 9396 section 5), else what is wrong. */
  readonly checkAuthorizationDetails: (details: AuthorizationDetails) => string | null;
};

/** One revision of the registry, indexed for the exchange. Immutable: a change is a new snapshot. */
export type Registry = {
  readonly revision: number;
  readonly agents: ReadonlyMap<string, Agent>;
  readonly resources: ReadonlyMap<string, Resource>;
  /** Finds by tenant and object id; the caller still compares the application id and `enabled`. */
  readonly agentOf: (workload: Principal) => Agent | undefined;
  /** All accounts of the person whose account this is, this one among them. */
  readonly accountsOf: (account: Principal) => readonly Principal[];
  /** Whether an agent or an API is this, and no person. */
  readonly isWorkload: (account: Principal) => boolean;
};
