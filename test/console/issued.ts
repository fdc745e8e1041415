/** Tokens as exchanges issue them, for the console to show. */
import { sql } from 'kysely';
import { mintToken } from '../../src/access/issue-token.ts';
import { openRequests } from '../../src/access/open-request.ts';
import { newTokenId } from '../../src/ids.ts';
import { loadClosings } from '../../src/registry/closings.ts';
import { AGENT, DECIDED_ON, opening } from '../support/access.ts';
import type { TestConsole } from './fixture.ts';

export type IssuedToken = { readonly jti: string; readonly requestId: string; readonly grantId: string };

/** A request that policy permits, with the first token of its grant. */
export const issueToken = async ({ database }: TestConsole): Promise<IssuedToken> => {
  const asked = opening({});
  const { revision } = await loadClosings(database);
  const [opened] = await openRequests(database, [
    { ...asked, on: { ...asked.on, blocksRevision: revision } },
  ]);
  if (!opened?.token || asked.permitted === null) throw new Error('nothing was issued');
  return { jti: asked.permitted.jti, requestId: asked.requestId, grantId: asked.permitted.grantId };
};

/** The token that takes over. */
export const rotateToken = async ({ database }: TestConsole, before: IssuedToken): Promise<IssuedToken> => {
  const jti = newTokenId();
  const about = { requestId: before.requestId, agentId: AGENT };
  const { revision } = await loadClosings(database);
  const minted = await mintToken(
    database,
    { ...DECIDED_ON, blocksRevision: revision },
    {
      grantId: before.grantId,
      seenJti: before.jti,
      jti,
      kid: 'kid',
      tokenSeconds: 45,
      proof: null,
      events: [
        { ...about, name: 'token.issued', data: { jti } },
        { ...about, name: 'token.rotated', data: { jti: before.jti, successor: jti } },
      ],
    },
  );
  if (minted === null) throw new Error('nothing took over');
  return { ...before, jti };
};

/** The token's state, its grant's, and who ended that. */
export const standingOf = async (
  { database }: TestConsole,
  { jti }: IssuedToken,
): Promise<{ token: string; grant: string; by: string | null }> => {
  const { rows } = await sql<{ token: string; grant: string; by: string | null }>`
    select t.state as token, g.state as grant, g.ended_by as by from tokens t join grants g on g.id = t.grant_id
    where t.jti = ${jti}`.execute(database.db);
  if (rows[0] === undefined) throw new Error('no such token');
  return rows[0];
};
