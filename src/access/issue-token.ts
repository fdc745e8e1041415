/**
 * Delivering the current credential under a grant. `grants.current_jti` is moved by compare-and-set on the value
 * that was read: of any number of callers one mints, the others find their statement empty, read again and answer
 * with the winner's. The condition reads only the grant's own row, which a waiting statement reads afresh; the
 * partial unique index on `tokens` is the backstop.
 */
import { type AuditEvent, eventValues } from '../audit/event.ts';
import type { Database, Statement } from '../storage/database.ts';
import { DEMAND_IN_FORCE, type DecidedOn, GUARD, guardValues, tellFrom, unlessOvertaken } from './guard.ts';
import type { Minted } from './open-request.ts';
import { spendFrom } from './used-proofs.ts';

/** `exp`: whole seconds, within the grant. */
const EXPIRES_AT = `least(date_trunc('second', now()) + make_interval(secs => least($9::integer, g.token_seconds)),
      date_trunc('second', g.approved_until))`;

/** The last token a grant may mint takes the grant's end with it. */
const MINT = `with ${GUARD}, moved as (
  update grants g set current_jti = $7, state = 'active', tokens_left = g.tokens_left - 1,
    approved_until = case when g.tokens_left = 1 then ${EXPIRES_AT} else g.approved_until end
  from guard
  where g.id = $5 and g.agent_id = guard.id and g.current_jti is not distinct from $6
    and (g.state = 'active' or g.state = 'offered' and g.pickup_until > now()
      and coalesce(g.starts_at, now()) <= now())
    and date_trunc('second', g.approved_until) >= now() + interval '1 second'
    and (g.tokens_left is null or g.tokens_left > 0)
  returning g.id, ${EXPIRES_AT} as expires_at, g.approved_until
), rotated as (
  update tokens t set state = 'ROTATED', successor_jti = $7 from moved
  where t.jti = $6 and t.state = 'ACTIVE'
  returning t.jti
), minted as (
  insert into tokens (jti, grant_id, kid, state, issued_at, expires_at)
  select $7, moved.id, $8, 'ACTIVE', date_trunc('second', now()), moved.expires_at
  from moved left join rotated on true
  returning issued_at, expires_at
), ${tellFrom('minted', 10)}`;
const MINTED = ` select minted.issued_at, minted.expires_at, moved.approved_until, ${DEMAND_IN_FORCE} from minted, moved`;
export const MINT_TOKEN: Statement = { name: 'mint-token', text: `${MINT}${MINTED}` };
export const MINT_BOUND_TOKEN: Statement = {
  name: 'mint-bound-token',
  text: `${MINT}, ${spendFrom('minted', '$16')}${MINTED}`,
};

export type Minting = {
  readonly grantId: string;
  /** The current credential that was read, which the new one succeeds; null at the first pick-up. */
  readonly seenJti: string | null;
  readonly jti: string;
  readonly kid: string;
  /** Longest life that policy allows now, seconds; the grant's own limit and end apply besides. */
  readonly tokenSeconds: number;
  /** Digest of the proof that is used for this, null without. */
  readonly proof: string | null;
  readonly events: readonly AuditEvent[];
};

/** A token, and when the grant ends under which it was minted: with the last token that it allows. */
export type MintedUnder = Minted & { readonly grantedUntil: Date };

type MintedRow = {
  readonly issued_at: Date;
  readonly expires_at: Date;
  readonly approved_until: Date;
};

/** Mints the first token or the successor. Null: the grant moved, ended, or the guard failed; read again. */
export const mintToken = async (
  database: Database,
  on: DecidedOn,
  minting: Minting,
): Promise<MintedUnder | null> => {
  const answer = database.query<MintedRow>(minting.proof === null ? MINT_TOKEN : MINT_BOUND_TOKEN, [
    ...guardValues(on),
    minting.grantId,
    minting.seenJti,
    minting.jti,
    minting.kid,
    minting.tokenSeconds,
    ...eventValues(minting.events, new Date()),
    ...(minting.proof === null ? [] : [minting.proof]),
  ]);
  const [row] = await unlessOvertaken(answer);
  if (row === undefined) return null;
  return { issuedAt: row.issued_at, expiresAt: row.expires_at, grantedUntil: row.approved_until };
};

const REDELIVER = `with ${GUARD}, live as (
  select g.id from grants g, guard
  where g.id = $5 and g.agent_id = guard.id and g.current_jti = $6 and g.state = 'active' and g.approved_until > now()
  for share of g
), ${tellFrom('live', 7)}`;
const LIVE = ` select id, ${DEMAND_IN_FORCE} from live`;
export const REDELIVER_TOKEN: Statement = { name: 'redeliver-token', text: `${REDELIVER}${LIVE}` };
export const REDELIVER_BOUND_TOKEN: Statement = {
  name: 'redeliver-bound-token',
  text: `${REDELIVER}, ${spendFrom('live', '$13')}${LIVE}`,
};

/** Records that the current credential is handed out once more. False: it is no longer current; read again. */
export const redeliverToken = async (
  database: Database,
  on: DecidedOn,
  delivery: Pick<Minting, 'grantId' | 'jti' | 'proof' | 'events'>,
): Promise<boolean> => {
  const answer = database.query<{ id: string }>(
    delivery.proof === null ? REDELIVER_TOKEN : REDELIVER_BOUND_TOKEN,
    [
      ...guardValues(on),
      delivery.grantId,
      delivery.jti,
      ...eventValues(delivery.events, new Date()),
      ...(delivery.proof === null ? [] : [delivery.proof]),
    ],
  );
  return (await unlessOvertaken(answer)).length > 0;
};

const COUNT_MINTED: Statement = {
  name: 'count-minted',
  text: 'select count(*) as minted from tokens where grant_id = $1',
};

/** How many tokens were ever minted under a grant. */
export const countMinted = async (database: Database, grantId: string): Promise<number> =>
  (await database.query<{ minted: number }>(COUNT_MINTED, [grantId]))[0]?.minted ?? 0;

/**
 * What to do with a live grant whose current credential is `current` (null: none yet) at `now`. `last`: it would be
 * time for a successor, but the grant allows none that lasts longer.
 */
export const nextDelivery = (
  grant: {
    readonly tokensLeft: number | null;
    /** Longest life of a successor, as policy allows it now. */
    readonly tokenSeconds: number;
    readonly approvedUntil: Date;
    readonly current: { readonly issuedAt: Date; readonly expiresAt: Date } | null;
  },
  now: Date,
): 'redeliver' | 'mint' | 'last' | 'none' => {
  const lastExpiry = Math.floor(grant.approvedUntil.getTime() / 1000) * 1000;
  const mayMint = (grant.tokensLeft === null || grant.tokensLeft > 0) && lastExpiry - now.getTime() >= 1000;
  if (grant.current === null) return mayMint ? 'mint' : 'none';
  const { issuedAt, expiresAt } = grant.current;
  const left = expiresAt.getTime() - now.getTime();
  // What does not last a second is not handed out: `expires_in` counts whole ones, and clients take 0 for "never".
  const lasts = left >= 1000;
  if (lasts && left > (expiresAt.getTime() - issuedAt.getTime()) / ROTATE_AT_FRACTION) return 'redeliver';
  const successorEnds = Math.min(now.getTime() + grant.tokenSeconds * 1000, lastExpiry);
  const isTwoAtMost = nextRotation(now, grant.tokenSeconds) >= expiresAt.getTime();
  if (mayMint && isTwoAtMost && successorEnds - expiresAt.getTime() >= 1000) return 'mint';
  return lasts || mayMint ? 'last' : 'none';
};

/**
 * When a successor minted now is to be rotated: the one before it must be over by then, or three are good at a time. It
 * is, unless policy has become stricter and the successor is the shorter one.
 */
const nextRotation = (now: Date, seconds: number): number =>
  Math.floor(now.getTime() / 1000) * 1000 + seconds * 1000 * (1 - 1 / ROTATE_AT_FRACTION);

/** A credential is rendered again until a third of its life is left, then it is rotated. */
const ROTATE_AT_FRACTION = 3;
