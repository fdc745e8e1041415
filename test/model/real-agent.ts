/** One agent of the real world, and all that can happen to it, at the functions that HTTP and the command line call. */
import { sql } from 'kysely';
import { expect } from 'vitest';
import { type Closing, liftBlock, setBlock, sweepBlocks } from '../../src/access/blocks.ts';
import type { Approver } from '../../src/access/check-vote.ts';
import { liftDenial } from '../../src/access/lift-denial.ts';
import { cancelRequest, endGrant, revokeToken } from '../../src/access/revoke.ts';
import type { ExchangeParts } from '../../src/oauth/exchange-parts.ts';
import type { Outcome } from '../../src/oauth/outcome.ts';
import { exchange } from '../../src/oauth/token-exchange.ts';
import type { Principal } from '../../src/registry/registry.ts';
import type { Database, Statement } from '../../src/storage/database.ts';
import { TENANT } from '../registry/entries.ts';
import { whoIs } from '../support/access.ts';
import { voteBy, wordOf } from '../support/vote-as.ts';
import { onceUnlocked } from './once-unlocked.ts';
import { AUDIENCE, type Scope, TAKEN_BACK_SECONDS } from './rules.ts';
import type { Key, Vote } from './states.ts';

export type Asking = {
  readonly key: Key;
  readonly scope: Scope;
  /** The broker's ids of the agent's requests, by their numbers. */
  readonly ids: readonly string[];
  /** By an assertion from before everything else. */
  readonly outdated?: boolean;
};

export type RealAgent = {
  readonly id: string;
  readonly exchange: (asking: Asking) => Promise<Outcome>;
  /** How it ended, in one word; so do the others. */
  readonly vote: (requestId: string, cast: Vote) => Promise<string>;
  readonly liftDenial: (requestId: string, voter: number) => Promise<string>;
  readonly cancel: (requestId: string) => Promise<string>;
  readonly endGrant: (requestId: string, by: 'operator' | 'agent') => Promise<string>;
  readonly revokeToken: (jti: string) => Promise<string>;
  /** Closes the agent; or, not `lasting`, takes back all that it has. All of it is over after `sweepBlock`. */
  readonly block: (lasting: boolean) => Promise<void>;
  readonly sweepBlock: () => Promise<void>;
  readonly lift: () => Promise<void>;
  readonly setEnabled: (enabled: boolean) => Promise<void>;
  /** Lets time pass, for this agent alone: everything of it is as much older. */
  readonly pass: (seconds: number) => Promise<void>;
};

/** What the agents have of their world. */
export type Inside = {
  readonly replicas: readonly ExchangeParts[];
  readonly owner: Database;
  readonly catchUp: () => Promise<void>;
  readonly ownersOf: (agentId: string) => readonly Principal[];
  readonly setEnabled: (id: string, enabled: boolean) => void;
};

const EVERYTHING_OLDER: Statement = {
  name: 'everything-older',
  text: `
with older as (select make_interval(secs => $2) as by), requests as (
  update access_requests r set opened_at = opened_at - by, expires_at = expires_at - by, decided_at = decided_at - by
  from older where r.agent_id = $1
), holds as (
  update denials d set denied_at = denied_at - by, held_until = held_until - by from older where d.agent_id = $1
), granted as (
  update grants g set opened_at = opened_at - by, pickup_until = pickup_until - by,
    approved_until = approved_until - by, ended_at = ended_at - by
  from older where g.agent_id = $1
), believed as (
  update agents a set not_before = not_before - by from older where a.id = $1
), refused as (
  update revocations v set until = until - by from older where v.kind = 'agent' and v.subject = $1
)
update tokens t set issued_at = issued_at - by, expires_at = expires_at - by
from older, grants g where g.id = t.grant_id and g.agent_id = $1`,
};

/** Newer than all that is taken back within the second. */
const AHEAD_SECONDS = 60;

const personOf = (number: number): Approver => ({
  tenant: TENANT,
  object: `99999999-9999-4999-8999-${String(number).padStart(12, '0')}`,
  roles: ['Approver', 'Approver.thing'],
  signedInAt: new Date(),
  authenticatedAt: null,
  authenticationContexts: [],
});

const AUTHOR = { by: 'test', reason: 'a test does' } as const;

export const realAgent = (world: Inside, id: string): RealAgent => {
  let calls = 0;
  /** Each call goes to the next replica, so that what comes at one instant comes to several. */
  const parts = (): ExchangeParts => {
    calls += 1;
    return world.replicas[calls % world.replicas.length] ?? expect.fail('no such replica');
  };
  const { database } = parts();
  const closing = { kind: 'agent', subject: id } as const satisfies Partial<Closing>;
  const pass = async (seconds: number): Promise<void> => {
    await onceUnlocked(() => world.owner.query(EVERYTHING_OLDER, [id, seconds]));
  };

  return {
    id,
    pass,
    exchange: ({ key, scope, ids, outdated = false }) => {
      const issuedAt = outdated ? 0 : Math.floor(Date.now() / 1000) + AHEAD_SECONDS;
      const requestId = key.kind === 'own' ? 'own' : key.kind === 'broker' ? ids[key.request] : undefined;
      const form = new Map<string, string | undefined>(
        Object.entries({
          subject_token: `${id} ${issuedAt}`,
          subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
          audience: AUDIENCE,
          scope,
          request_id: requestId,
        }),
      );
      return exchange(parts(), {
        form: { get: (name) => form.get(name), all: (name) => [form.get(name) ?? []].flat() },
        authorization: undefined,
        proofs: [],
        address: '127.0.0.1',
        traceId: '00000000000000000000000000000001',
        pause: (waiting) => waiting,
        wait: null,
      });
    },
    vote: async (requestId, { voter, verdict, leaves = null }) => {
      const cast = { requestId, verdict, approver: personOf(voter), ownersOf: world.ownersOf, left: leaves };
      for (;;) {
        const word = wordOf(await voteBy(parts().database, cast));
        // As on the page: what it was prepared on was replaced meanwhile.
        if (word !== 'overtaken') return word;
      }
    },
    liftDenial: async (requestId, voter) => {
      const lifted = await liftDenial(database, {
        requestId,
        person: personOf(voter),
        who: whoIs({ owners: world.ownersOf(id) }),
        registryRevision: parts().registry().revision,
        reason: 'a test does',
        traceId: null,
      });
      return 'outcome' in lifted ? lifted.outcome : 'refused' in lifted ? lifted.refused : 'overtaken';
    },
    cancel: (requestId) => cancelRequest(database, requestId, AUTHOR),
    endGrant: (requestId, by) => endGrant(database, requestId, AUTHOR, by),
    revokeToken: (jti) => revokeToken(database, jti, AUTHOR),
    block: (lasting) => onceUnlocked(() => setBlock(database, { ...closing, lasting }, AUTHOR)),
    sweepBlock: async () => {
      await onceUnlocked(() => sweepBlocks(database));
      await pass(TAKEN_BACK_SECONDS);
      await world.catchUp();
    },
    lift: async () => {
      const { rows } = await sql<{ id: string }>`
        select id from blocks where subject = ${id} and lifted_at is null`.execute(database.db);
      for (const block of rows)
        await onceUnlocked(() => liftBlock(database, block.id, { ...AUTHOR, signedInAt: null }));
      await world.catchUp();
    },
    setEnabled: async (enabled) => {
      world.setEnabled(id, enabled);
      await sql`update agents set enabled = ${enabled} where id = ${id}`.execute(database.db);
    },
  };
};
