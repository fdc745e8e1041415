/** From the terms of a request, and what a person left of them, to the page's controls and the request it shows. */
import type { NarrowingModel } from '../../views/narrowing.tsx';
import type { ApprovalRequest } from '../access/approval-queue.ts';
import { type MayShorten, type Narrowing, narrowedTerms } from '../access/narrowing.ts';
import { termsDigest } from '../access/request-digest.ts';
import type { Registry } from '../registry/registry.ts';

/** Times to choose from beside the one that was asked for, seconds. */
const DURATIONS = [86_400, 28_800, 14_400, 3_600, 1_800, 900, 300, 60];

/** Begins to choose from, seconds after the approval. */
const STARTS = [0, 900, 3_600, 14_400, 43_200, 86_400];

/** What the registry says of the API's details; of an API that it does not know, nothing may be shortened. */
export const mayShortenOf = (registry: Registry, audience: string): MayShorten =>
  registry.resources.get(audience)?.mayShorten ?? (() => false);

/** The request as a page shows it: with the terms that would be signed, and without votes that would not count. */
export const narrowedRequest = (request: ApprovalRequest, narrowing: Narrowing | null): ApprovalRequest => {
  if (narrowing === null) return request;
  const terms = narrowedTerms(request.terms, narrowing);
  return { ...request, terms, termsDigest: termsDigest(terms), approvals: 0 };
};

const listsOf = (
  request: ApprovalRequest,
  index: number,
  { form, mayShorten }: { readonly form: URLSearchParams | null; readonly mayShorten: MayShorten },
): NarrowingModel['details'][number]['lists'] =>
  Object.entries(request.terms.authorization_details[index] ?? {}).flatMap(([field, value]) =>
    Array.isArray(value) && mayShorten(String(request.terms.authorization_details[index]?.type), field)
      ? [
          {
            field,
            items: value.map((item, place) => ({
              text: String(item),
              kept: form?.getAll(`item.${index}.${field}`).includes(String(place)) ?? true,
            })),
          },
        ]
      : [],
  );

/** `sent`: the form that the page's terms come from, null if they are the request's own. */
export const narrowingModel = (
  request: ApprovalRequest,
  { sent, problem, mayShorten }: Pick<NarrowingModel, 'sent' | 'problem'> & { mayShorten: MayShorten },
): NarrowingModel => {
  const { terms } = request;
  const form = sent === null ? null : new URLSearchParams(sent);
  const asked = terms.grant_seconds;
  const begins = terms.starts_after_seconds ?? 0;
  return {
    requestId: request.requestId,
    scopes: terms.scopes.map((scope) => ({ scope, kept: form?.getAll('keep').includes(scope) ?? true })),
    details: terms.authorization_details.map((detail, index) => ({
      type: String(detail.type),
      kept: form?.getAll('detail').includes(String(index)) ?? true,
      lists: listsOf(request, index, { form, mayShorten }),
    })),
    durations: [asked, ...DURATIONS.filter((seconds) => seconds < asked)],
    grantSeconds: Number(form?.get('grant_seconds') ?? asked),
    starts: STARTS.filter((seconds) => seconds >= begins),
    startsAfterSeconds: Number(form?.get('starts_after_seconds') ?? begins),
    maxTokens: form?.get('max_tokens') ? Number(form.get('max_tokens')) : terms.max_tokens,
    tokensAsked: terms.max_tokens,
    sent,
    problem,
    voids: request.votes.filter(({ verdict, counts }) => verdict === 'approve' && counts).length,
  };
};
