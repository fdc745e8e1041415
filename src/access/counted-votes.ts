/** Which votes of a request count towards its quorums, as part of a statement. */
import { type RawBuilder, sql } from 'kysely';

/**
 * Whether the vote `v` counts beside the `present` terms: it is on them, or a denial of earlier ones by somebody who did
 * not vote since.
 */
export const countsBeside = (present: RawBuilder<unknown>): RawBuilder<boolean> => sql<boolean>`
  (v.terms_digest = ${present} or v.verdict = 'deny' and not exists (
    select from votes later where later.request_id = v.request_id and later.terms_digest = ${present}
      and (later.approver_tenant, later.approver_object) = (v.approver_tenant, v.approver_object)))`;
