/** Tokens as pages and tools read them. */
import type { TokenModel } from '../../views/token-page.tsx';
import type { TokenItem } from '../../views/token-parts.tsx';
import { utc } from '../../views/words.ts';
import type { JsonObject } from '../audit/event.ts';
import type { Registry } from '../registry/registry.ts';
import type { ListedToken, TokenLineage } from '../tokens/token-list.ts';
import type { ConsoleContext, ConsoleParts } from './console-parts.ts';
import { deedButton, deedModel } from './deeds.ts';
import { mayTakeBack } from './roles.ts';

const JTI = /^[A-Za-z0-9._~-]{1,128}$/;

/** `{jti}` of the path; null if it has a form that no token's id has. */
export const jtiOf = (context: ConsoleContext): string | null => {
  const { jti = '' } = context.params;
  return JTI.test(jti) ? jti : null;
};

/** Seconds, rounded up: nothing that lives has none left. */
const secondsBetween = (from: Date, to: Date): number =>
  Math.max(0, Math.ceil((to.getTime() - from.getTime()) / 1000));

/** `now` is the database's. */
export const tokenItem = (token: ListedToken, registry: Registry, now: Date): TokenItem => {
  const resource = registry.resources.get(token.audience);
  const lives = token.phase === 'ACTIVE' || token.phase === 'ROTATED';
  return {
    ...token,
    agent: registry.agents.get(token.agentId)?.name ?? token.agentId,
    resource: resource?.name ?? token.audience,
    environment: resource?.environment ?? null,
    secondsLeft: lives ? secondsBetween(now, token.expiresAt) : 0,
    lifetimeSeconds: secondsBetween(token.issuedAt, token.expiresAt),
  };
};

/** In the spelling of the wire. */
export const tokenJson = (token: ListedToken, registry: Registry): JsonObject => ({
  jti: token.jti,
  state: token.phase,
  agent: token.agentId,
  audience: token.audience,
  environment: registry.resources.get(token.audience)?.environment ?? null,
  scopes: token.scopes,
  request_id: token.requestId,
  grant_id: token.grantId,
  issued_at: token.issuedAt.toISOString(),
  expires_at: token.expiresAt.toISOString(),
  successor: token.successor,
});

const ENDS = {
  expired: 'has ended: its time was over',
  revoked: 'was ended before its time',
  lapsed: 'lapsed: nobody picked it up in time',
} as const;

const standingOf = ({ endedReason, approvedUntil }: TokenLineage['grant']): string =>
  endedReason === null ? `goes on until ${utc(approvedUntil)}` : ENDS[endedReason];

type Shown = {
  readonly lineage: TokenLineage;
  /** What was wrong with a post, said at the form. */
  readonly problem: string | null;
  /** Said above everything. */
  readonly notice: string | null;
};

/** Buttons for whatever can still be taken back; ending the grant comes first. */
const deedOf = (parts: ConsoleParts, context: ConsoleContext, { lineage, problem }: Shown) => {
  const { token, grant } = lineage;
  const { jti, requestId } = token;
  const buttons = [];
  if (grant.state !== 'ended')
    buttons.push(
      deedButton(parts, context, { deed: 'end_grant', subject: requestId, name: 'End the grant' }),
    );
  if (token.phase === 'ACTIVE' || token.phase === 'ROTATED')
    buttons.push(
      deedButton(parts, context, { deed: 'revoke_token', subject: jti, name: 'Revoke only this token' }),
    );
  return deedModel(context, `/tokens/${jti}`, { buttons, problem });
};

export const tokenModel = (parts: ConsoleParts, context: ConsoleContext, shown: Shown): TokenModel => {
  const { token, grant, tokens, now } = shown.lineage;
  const registry = parts.registry();
  return {
    token: tokenItem(token, registry, now),
    grant: { id: token.grantId, standing: standingOf(grant) },
    lineage: tokens.map((other) => tokenItem(other, registry, now)),
    deed: mayTakeBack(context.state.session?.roles ?? []) ? deedOf(parts, context, shown) : null,
    notice: shown.notice,
  };
};
