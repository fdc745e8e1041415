/** A token's state and what is left of its life; words say it, colour and bar only repeat it. */
import type { JSX } from 'preact';
import type { Environment } from './badges.tsx';
import { duration } from './words.ts';

export type TokenItem = {
  readonly jti: string;
  readonly phase: 'ACTIVE' | 'ROTATED' | 'EXPIRED' | 'REVOKED';
  readonly agentId: string;
  /** The registered name, or the id if the agent left the registry. */
  readonly agent: string;
  readonly audience: string;
  /** The API's registered name, or its audience. */
  readonly resource: string;
  readonly environment: Environment | null;
  readonly scopes: readonly string[];
  readonly requestId: string;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  /** 0: it is over. */
  readonly secondsLeft: number;
  readonly lifetimeSeconds: number;
  readonly successor: string | null;
};

export const PhaseBadge = ({ phase }: { phase: TokenItem['phase'] }): JSX.Element => (
  <span class={`badge phase-${phase.toLowerCase()}`}>{phase}</span>
);

export const Lifetime = ({ token }: { token: TokenItem }): JSX.Element | null =>
  token.secondsLeft === 0 ? null : (
    <span class="lifetime">
      <progress
        value={token.secondsLeft}
        max={token.lifetimeSeconds}
        aria-label={`Time left of ${token.jti}`}
      />
      <span>{duration(token.secondsLeft)} left</span>
    </span>
  );

export const TokenLink = ({ jti }: { jti: string }): JSX.Element => (
  <a class="jti" href={`/tokens/${encodeURIComponent(jti)}`}>
    {jti}
  </a>
);
