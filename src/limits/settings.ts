/** Which limits there are, and how many of each are good for everyday use. `COUNTERSIGN_RATE_LIMITS` changes them. */

/** All but `open` count within a minute. */
const DEFAULTS = {
  /**
   * Rejected assertions from one address (IPv4, or IPv6 /64): then nothing unknown is verified for it. As many that name
   * unknown keys while Entra is away. And exchanges of one workload that is no agent, which must look the same from outside.
   */
  address: 30,
  /** Exchanges of one agent's workload; repeats of a pending request that keep their pace count as `poll` alone. */
  exchange: 60,
  /** Exchanges of an agent's workload that were refused before policy was asked: unknown ids, targets, scopes and the like. */
  miss: 20,
  /** Repeats of an agent's pending requests, all of them together: 5 open ones in 10 processes. */
  poll: 600,
  /** Exchanges for one API, of all agents together: 20 agents at their limit. */
  audience: 1_200,
  /**
   * Uses of tokens that one API reports, all of its processes together: each entry of a report is an event in the
   * trail. A reporter that is refused counts equal uses in one entry meanwhile.
   */
  report: 6_000,
  /** Tokens that one API asks about. */
  introspection: 6_000,
  /** Votes of one person. */
  vote: 30,
  /** Sign-ins begun from one address. */
  sign_in: 30,
  /** Requests of one agent that wait for people at a time. */
  open: 5,
} as const;

export type LimitName = keyof typeof DEFAULTS;

/** How many of each; `Infinity`: without limit. */
export type LimitSettings = Readonly<Record<LimitName, number>>;

export const DEFAULT_LIMITS: LimitSettings = DEFAULTS;

export const LIMIT_NAMES = Object.keys(DEFAULTS) as LimitName[];

const LIMIT_MAX = 1_000_000;

const isName = (text: string): text is LimitName => LIMIT_NAMES.some((name) => name === text);

/** Throws unless `text` is `name=number` or `name=off`, comma-separated, each name once; the rest keep their default. */
export const parseLimits = (text: string): LimitSettings => {
  const given = new Map<LimitName, number>();
  for (const entry of text.split(',')) {
    const [, name = '', value = ''] = /^\s*([a-z_]+)\s*=\s*(\d{1,7}|off)\s*$/.exec(entry) ?? [];
    const count = value === 'off' ? Number.POSITIVE_INFINITY : Number(value);
    if (!isName(name) || given.has(name) || (value !== 'off' && (count < 1 || count > LIMIT_MAX)))
      throw new Error(
        `must be name=number or name=off, comma-separated, each once, 1 to ${LIMIT_MAX}; names: ${LIMIT_NAMES.join(', ')}`,
      );
    given.set(name, count);
  }
  return { ...DEFAULT_LIMITS, ...Object.fromEntries(given) };
};

const REPLICAS_MAX = 1_000;

/** Throws unless `text` is a number of replicas. */
export const parseReplicas = (text: string): number => {
  const replicas = Number(text);
  if (!/^\d{1,4}$/.test(text) || replicas < 1 || replicas > REPLICAS_MAX)
    throw new Error(`must be the number of brokers on this database, 1 to ${REPLICAS_MAX}`);
  return replicas;
};
