/** Putting narrower terms in place of a request's: the votes on the wider ones count no more from then on. */
import { type Kysely, sql } from 'kysely';
import type { JsonObject } from '../audit/event.ts';
import type { Database } from '../storage/database.ts';
import type { Tables } from '../storage/tables.ts';
import type { LockedRequest } from './check-vote.ts';
import { type Terms, termsDigest } from './request-digest.ts';

/** Writes the terms to the locked request and keeps those before. Returns the request as it is now, and what is told. */
export const narrowRequest = async (
  trx: Kysely<Tables>,
  request: LockedRequest,
  terms: Terms,
): Promise<{ readonly request: LockedRequest; readonly facts: JsonObject }> => {
  const digest = termsDigest(terms);
  await trx
    .insertInto('past_terms')
    .values({
      request_id: request.id,
      terms_digest: request.terms_digest,
      terms: JSON.stringify(request.terms),
    })
    .execute();
  await sql`update access_requests set terms = ${JSON.stringify(terms)}::jsonb, terms_digest = ${digest}, approvals = 0
    where id = ${request.id} and state = 'pending'`.execute(trx);
  return {
    request: { ...request, terms, terms_digest: digest },
    facts: {
      terms_digest: digest,
      replaces: request.terms_digest,
      scopes: terms.scopes,
      authorization_details: JSON.parse(JSON.stringify(terms.authorization_details)),
      grant_seconds: terms.grant_seconds,
      token_seconds: terms.token_seconds,
      max_tokens: terms.max_tokens,
      ...(terms.starts_after_seconds && { starts_after_seconds: terms.starts_after_seconds }),
    },
  };
};

/** Terms that the request had before, by their digest; null if it never had them or has them still. */
export const findPastTerms = async (
  database: Database,
  requestId: string,
  digest: string,
): Promise<Terms | null> => {
  const { rows } = await sql<{ terms: Terms }>`
    select terms from past_terms where request_id = ${requestId} and terms_digest = ${digest}`.execute(
    database.pages,
  );
  return rows[0]?.terms ?? null;
};
