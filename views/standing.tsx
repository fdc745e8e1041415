/** Where a request stands now: waiting, decided by whom and why, collected or not. Kept up to date on an open page. */
import type { JSX } from 'preact';
import { ExactTime, Moment, type RequestState, StateBadge } from './badges.tsx';
import { VisibleText } from './visible-text.tsx';
import { count, duration } from './words.ts';

export type StandingModel = {
  readonly state: RequestState;
  readonly openedAt: Date;
  readonly expiresAt: Date;
  readonly approvals: number;
  readonly quorum: number;
  /** What the terms allow: seconds from when it begins, and tokens in all (null: no limit but time). */
  readonly grantSeconds: number;
  readonly maxTokens: number | null;
  readonly votes: readonly {
    readonly name: string;
    readonly verdict: 'approve' | 'deny';
    readonly reason: string;
    readonly votedAt: Date;
    /** False: it was on wider terms, which somebody narrowed since. */
    readonly counts: boolean;
    /** Whether it is this person's own. */
    readonly own: boolean;
  }[];
  readonly grant: {
    readonly state: 'offered' | 'active' | 'ended';
    readonly endedReason: 'expired' | 'revoked' | 'lapsed' | null;
    /** Null: it began with the approval. */
    readonly startsAt: Date | null;
    readonly pickupUntil: Date;
    readonly approvedUntil: Date;
    readonly tokens: number;
  } | null;
  readonly now: Date;
};

type Grant = NonNullable<StandingModel['grant']>;

const ENDINGS = {
  expired: 'The time is over.',
  revoked: 'The grant was revoked; its tokens with it.',
  lapsed: 'The agent did not collect it in time, so the approval lapsed.',
} as const;

const GrantLine = ({ grant, now }: { grant: Grant; now: Date }): JSX.Element => {
  if (grant.state === 'ended') return <p>{ENDINGS[grant.endedReason ?? 'expired']}</p>;
  if (grant.state === 'offered')
    return (
      <p>
        {grant.startsAt !== null && grant.startsAt > now && (
          <>
            Begins <Moment time={grant.startsAt} now={now} />.{' '}
          </>
        )}
        Not collected yet; lapses <Moment time={grant.pickupUntil} now={now} />.
      </p>
    );
  return (
    <p>
      In use: {grant.tokens} {grant.tokens === 1 ? 'token' : 'tokens'} issued so far, over{' '}
      <Moment time={grant.approvedUntil} now={now} />.
    </p>
  );
};

const Waiting = ({ standing }: { standing: StandingModel }): JSX.Element => (
  <p>
    Asked <Moment time={standing.openedAt} now={standing.now} />, closes{' '}
    <Moment time={standing.expiresAt} now={standing.now} /> if nobody decides.
    {standing.quorum > 1 && ` ${standing.approvals} of ${standing.quorum} approvals.`}
  </p>
);

/** What is said of a request in this state; the live part of the page. */
export const Standing = ({ standing }: { standing: StandingModel }): JSX.Element => (
  <div class={`standing standing-${standing.state}`}>
    <p class="standing-head" role="status">
      <StateBadge state={standing.state} />
    </p>
    {standing.state === 'pending' ? (
      <Waiting standing={standing} />
    ) : (
      <p>
        Asked <ExactTime time={standing.openedAt} />.
      </p>
    )}
    {standing.votes.length > 0 && (
      <ul class="votes">
        {standing.votes.map((vote) => (
          <li>
            <b>{vote.own ? 'You' : vote.name}</b> {vote.verdict === 'approve' ? 'approved' : 'denied'}{' '}
            <Moment time={vote.votedAt} now={standing.now} />:{' '}
            <q>
              <VisibleText text={vote.reason} />
            </q>
            {!vote.counts && <span class="note"> on wider terms: does not count any more</span>}
          </li>
        ))}
      </ul>
    )}
    {standing.state === 'approved' && (
      <p>
        Allowed for up to <b>{duration(standing.grantSeconds)}</b>
        {standing.maxTokens !== null && `, with ${count(standing.maxTokens, 'token')} at most`}.
      </p>
    )}
    {standing.grant !== null && <GrantLine grant={standing.grant} now={standing.now} />}
  </div>
);
