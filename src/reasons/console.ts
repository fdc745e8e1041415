/** What the console refuses to people and to whatever comes in their name. */
import type { ClientAnswer, Explanation } from './explanation.ts';

const TRY_AGAIN = 'Nothing, if the person got in at the next try.';
const FOREIGN_TOKEN =
  'Compare COUNTERSIGN_SIGN_IN_* with the application in Entra; else somebody mixes sign-ins up.';

/** A sign-in that Entra sent back and that signed nobody in. */
export const SIGN_IN_REASONS = {
  state: {
    meaning: 'The return from Entra was not begun in this browser, took too long, or was used before.',
    advice: `${TRY_AGAIN} Often and from afar: somebody lures people into a foreign sign-in.`,
  },
  refused_by_entra: {
    meaning: 'Entra did not sign the person in, or the person gave up.',
    advice: 'Entra’s own sign-in log says why: conditional access, no assignment, a wrong password.',
  },
  code: {
    meaning: 'Entra did not redeem the code of the sign-in.',
    advice: 'Most often the client secret of COUNTERSIGN_SIGN_IN_* is wrong or has expired.',
  },
  id_token_claims: {
    meaning: 'The ID token lacks a claim that it must have.',
    advice: 'The application must issue v2 tokens, to people of its own tenant.',
  },
  id_token_issuer: { meaning: 'The ID token is of another issuer.', advice: FOREIGN_TOKEN },
  id_token_tenant: { meaning: 'The ID token is of another tenant.', advice: FOREIGN_TOKEN },
  id_token_audience: { meaning: 'The ID token is for another application.', advice: FOREIGN_TOKEN },
  id_token_nonce: { meaning: 'The ID token belongs to another sign-in.', advice: FOREIGN_TOKEN },
  id_token_not_a_person: {
    meaning: 'The ID token is that of an app or of an agent’s user account.',
    advice: 'Take the app roles of approvers away from it: deciding is for people only.',
  },
  id_token_expired: {
    meaning: 'The ID token had expired when it came.',
    advice: 'Compare the broker’s clock with Entra’s.',
  },
} as const satisfies Record<string, Explanation>;

export type SignInReason = keyof typeof SIGN_IN_REASONS;

const ANOTHER_PAGE = 'A page elsewhere posts in a person’s name, or a proxy strips or rewrites headers.';

/** A post that did not come from our own page: nothing of it was read. */
export const FORGERY_REASONS = {
  no_origin: {
    meaning: 'The post says nothing of where it comes from: no browser sends that from our page.',
    advice: ANOTHER_PAGE,
  },
  other_origin: { meaning: 'The post comes from a page of another origin.', advice: ANOTHER_PAGE },
  other_site: { meaning: 'The browser says that the post comes from another site.', advice: ANOTHER_PAGE },
  action_token: {
    meaning:
      'The token of the vote, or of the lifting of a denial, was not made for this session, request, terms and verdict.',
    advice: 'Once, after a new sign-in in another tab: nothing. Else somebody replays pages.',
  },
} as const satisfies Record<string, Explanation>;

export type ForgeryReason = keyof typeof FORGERY_REASONS;

/** A person, or nobody yet, for whom a page is not. */
export const PAGE_REASONS = {
  signed_out: {
    meaning: 'Somebody without a session sent something that needs one. Nothing was changed.',
    advice: 'Nothing, if a person’s session had just ended. Else something posts without a person.',
    client: { status: 403, error: 'signed_out' },
  },
  role_missing: {
    meaning: 'The person’s app roles do not open this page.',
    advice: 'Assign the role in Entra if they should have it; they must sign in again.',
    client: { status: 403, error: 'role_missing' },
  },
  roles_stale: {
    meaning:
      'The person signed in more than an hour ago, and their roles may be gone by now: nothing that is closed is opened on them.',
    advice: 'The person signs in again, then lifts it.',
    client: { status: 403, error: 'notice on the page' },
  },
  request_hidden: {
    meaning: 'The person looked for a request that does not exist or is not theirs to see.',
    advice: 'A wrong link, most often. Many different ids: somebody guesses.',
    client: { status: 404, error: 'not_found' },
  },
  form_malformed: {
    meaning: 'A form came that our pages do not send.',
    advice: 'An old page or a broken proxy; else something other than a browser.',
    client: { status: 400, error: 'invalid_request' },
  },
} as const satisfies Record<string, Explanation & { client: ClientAnswer }>;

export type PageReason = keyof typeof PAGE_REASONS;
