/** Why a person's vote did not count. Nothing was changed by any of these. */
import type { ClientAnswer, Explanation } from './explanation.ts';

const PRESS_AGAIN = 'Nothing: the page says it, and the person can press again.';

export const VOTE_REASONS = {
  not_found: {
    meaning: 'The vote names a request that does not exist or is not this person’s to decide.',
    advice: 'Many different ids from one person: somebody tries. Else a wrong link.',
    client: { status: 404, error: 'not_found' },
  },
  not_eligible: {
    meaning: 'The person is in none of the groups that the terms name.',
    advice: 'Assign the app role Approver.<group> in Entra if they should decide.',
    client: { status: 404, error: 'not_found' },
  },
  not_eligible_now: {
    meaning: 'Policy has changed since the request was opened, and no longer names a group of this person.',
    advice:
      'Somebody of the groups that the rule names now decides, if the request was opened for them, too.',
    client: { status: 409, error: 'notice on the page' },
  },
  policy_denies: {
    meaning: 'The person approved what policy denies by now.',
    advice: 'Nothing, if the rule was changed on purpose: the agent would get nothing.',
    client: { status: 409, error: 'notice on the page' },
  },
  narrowing_invalid: {
    meaning: 'What the person left of the terms is not within them, or nothing is left.',
    advice:
      'Nothing, if the terms were narrowed by somebody else meanwhile. Our page asks for nothing wider.',
    client: { status: 409, error: 'notice on the page' },
  },
  page_changed: {
    meaning: 'What the page had shown of agent, API or policy is not so any more.',
    advice: 'The person reads what is so now, then decides.',
    client: { status: 409, error: 'notice on the page' },
  },
  owner: {
    meaning:
      'The person is an owner or sponsor of the agent, by this account or another: they never decide on its requests.',
    advice: 'Somebody else has to. If nobody can, give the group another member.',
    client: { status: 403, error: 'self_approval' },
  },
  not_a_person: {
    meaning: 'The account is that of an agent or an API: deciding is for people only.',
    advice: 'Nobody should be able to sign in with it. Find out who did.',
    client: { status: 403, error: 'self_approval' },
  },
  sign_in_too_old: {
    meaning: 'The person signed in more than an hour ago: roles may have changed since.',
    advice: 'The person signs in again, then votes.',
    client: { status: 403, error: 'notice on the page' },
  },
  step_up_missing: {
    meaning: 'The rule asks for a more recent or a stronger sign-in than the person’s.',
    advice:
      'The person signs in by the link on the page. Where that does not help, Entra does not send auth_time or acrs.',
    client: { status: 403, error: 'notice on the page' },
  },
  already_decided: {
    meaning: 'The request was decided, or had expired, before this vote came.',
    advice: 'Nothing: somebody else was faster.',
    client: { status: 409, error: 'notice on the page' },
  },
  already_voted: {
    meaning: 'The person had voted on this request before.',
    advice: 'Nothing: each person counts once.',
    client: { status: 409, error: 'notice on the page' },
  },
  denial_over: {
    meaning: 'The denial that the person wanted to lift was lifted before, or its time is over.',
    advice: 'Nothing: the agent may ask anew.',
    client: { status: 409, error: 'notice on the page' },
  },
  terms_changed: {
    meaning: 'The terms are not those that the page had shown.',
    advice: 'The person reads the new terms, then decides.',
    client: { status: 409, error: 'notice on the page' },
  },
  agent_gone: {
    meaning: 'The agent is not registered any more.',
    advice: 'Nothing, if it was removed on purpose: the request will expire.',
    client: { status: 409, error: 'notice on the page' },
  },
  page_expired: {
    meaning: 'The page with the buttons was open for more than ten minutes.',
    advice: PRESS_AGAIN,
    client: { status: 403, error: 'notice on the page' },
  },
  reason_missing: {
    meaning: 'The person gave no reason, and one is required.',
    advice: PRESS_AGAIN,
    client: { status: 422, error: 'notice on the page' },
  },
  reason_too_long: {
    meaning: 'The person’s reason is longer than is kept.',
    advice: PRESS_AGAIN,
    client: { status: 422, error: 'notice on the page' },
  },
} as const satisfies Record<string, Explanation & { client: ClientAnswer }>;

export type VoteReason = keyof typeof VOTE_REASONS;
