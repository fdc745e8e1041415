/**
 * Sessions of people. The browser holds 256 random bits, the database only their SHA-256: reading the table signs
 * nobody in. A session is new at every sign-in, ends after half an hour without a person's request and after eight
 * hours in any case; an open page that refreshes itself is nobody's request.
 */
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { SignedIn } from '../access/step-up.ts';
import { appendEvents } from '../audit/append.ts';
import type { Principal } from '../registry/registry.ts';
import type { Database } from '../storage/database.ts';
import { newSecret } from './cookies.ts';

/** A signed-in person, with the Entra app roles of that sign-in. */
export type Person = Principal &
  Omit<SignedIn, 'signedInAt'> & {
    readonly name: string;
    readonly username: string;
    readonly roles: readonly string[];
  };

/** A live session of a browser. */
export type Session = Person & {
  /** SHA-256 of the id, hex: what action tokens are bound to. */
  readonly digest: string;
  readonly signedInAt: Date;
};

/** Without a request of the person's own. */
export const SESSION_IDLE_SECONDS = 30 * 60;
/** A working day. */
export const SESSION_MAX_SECONDS = 8 * 3600;
/** `seen_at` is written at most this often: one write a minute and person. */
const SEEN_EVERY_SECONDS = 60;

/** What the database keeps of a secret that a browser holds. */
export const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Makes a session and ends the one the browser had; the name goes to its own table. Returns the id for the cookie. */
export const openSession = async (
  database: Database,
  person: Person,
  at: { readonly replaces: string | null; readonly traceId: string },
): Promise<string> => {
  const id = newSecret();
  await database.db.transaction().execute(async (trx) => {
    await sql`delete from console_sessions where id_hash = ${at.replaces === null ? null : sha256(at.replaces)}
      or expires_at <= now()`.execute(trx);
    await sql`
      insert into console_sessions (id_hash, tenant_id, object_id, name, username, roles, authenticated_at,
        authentication_contexts, expires_at)
      values (${sha256(id)}, ${person.tenant}, ${person.object}, ${person.name}, ${person.username},
        ${person.roles}::text[], ${person.authenticatedAt}, ${person.authenticationContexts}::text[],
        now() + make_interval(secs => ${SESSION_MAX_SECONDS}))`.execute(trx);
    await sql`
      insert into people (tenant_id, object_id, name, username)
      values (${person.tenant}, ${person.object}, ${person.name}, ${person.username})
      on conflict (tenant_id, object_id) do update
        set name = excluded.name, username = excluded.username, seen_at = now()`.execute(trx);
    await appendEvents(trx, [
      {
        name: 'console.signed_in',
        traceId: at.traceId,
        data: {
          person: { tenant: person.tenant, object: person.object },
          roles: person.roles,
          authenticated_at: person.authenticatedAt?.toISOString() ?? null,
          authentication_contexts: person.authenticationContexts,
        },
      },
    ]);
  });
  return id;
};

type SessionRow = Person & { readonly signedInAt: Date; readonly stale: boolean };

/** The live session of an id, null if there is none. `active`: a person's own request, which keeps it alive. */
export const findSession = async (
  database: Database,
  id: string,
  { active }: { readonly active: boolean },
): Promise<Session | null> => {
  const hash = sha256(id);
  const { rows } = await sql<SessionRow>`
    select tenant_id as tenant, object_id as object, name, username, roles, signed_in_at as "signedInAt",
      authenticated_at as "authenticatedAt", authentication_contexts as "authenticationContexts",
      seen_at < now() - make_interval(secs => ${SEEN_EVERY_SECONDS}) as stale
    from console_sessions
    where id_hash = ${hash} and expires_at > now()
      and seen_at > now() - make_interval(secs => ${SESSION_IDLE_SECONDS})`.execute(database.pages);
  const [row] = rows;
  if (row === undefined) return null;
  const { stale, ...session } = row;
  if (active && stale) {
    await sql`update console_sessions set seen_at = now() where id_hash = ${hash}`.execute(database.pages);
  }
  return { ...session, digest: hash.toString('hex') };
};

/** Ends a session on every replica at once. */
export const endSession = async (database: Database, session: Session, traceId: string): Promise<void> => {
  await database.db.transaction().execute(async (trx) => {
    await sql`delete from console_sessions where id_hash = ${Buffer.from(session.digest, 'hex')}`.execute(
      trx,
    );
    await appendEvents(trx, [
      {
        name: 'console.signed_out',
        traceId,
        data: { person: { tenant: session.tenant, object: session.object } },
      },
    ]);
  });
};
