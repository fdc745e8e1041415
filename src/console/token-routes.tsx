/** Tokens for those who run the broker: the list, one with its lineage, and taking it or its grant back. */
import type Router from '@koa/router';
import { TokenFacts, TokenPage } from '../../views/token-page.tsx';
import { type TokenFilters, Tokens, type TokensModel, TokensPage } from '../../views/tokens-page.tsx';
import { findLineage, listTokens, TOKEN_PHASES, type TokenFilter } from '../tokens/token-list.ts';
import { answerLive, answerPage, answerRefusal, pageContext } from './answers.tsx';
import type { ConsoleContext, ConsoleParts, ConsoleState } from './console-parts.ts';
import { refuseRole } from './guards.tsx';
import { answerJson, asksForJson, refuseJson, requireReader } from './readers.ts';
import { notFound } from './refusals.ts';
import { mayReadTrail } from './roles.ts';
import { tokenDeedRoutes } from './token-deeds.tsx';
import { jtiOf, tokenItem, tokenJson, tokenModel } from './token-model.ts';

/** As many as one looks through at once. */
const PAGE_SIZE = 50;

const FILTER_NAMES = ['jti', 'agent', 'audience', 'request', 'state'] as const;
/** Ids of the broker and of its callers, and audiences. */
const NAME = /^[\x21-\x7e]{1,256}$/;

type Question = {
  readonly filters: TokenFilters;
  readonly problems: TokensModel['problems'];
  readonly filter: TokenFilter;
  readonly after: string | null;
};

const questionOf = (context: ConsoleContext): Question => {
  const typed = (name: keyof TokenFilters): string => [context.query[name] ?? ''].flat().join(' ').trim();
  const filters: TokenFilters = {
    jti: typed('jti'),
    agent: typed('agent'),
    audience: typed('audience'),
    request: typed('request'),
    state: typed('state').toUpperCase(),
  };
  const phase = TOKEN_PHASES.find((known) => known === filters.state) ?? null;
  const problems: Partial<Record<keyof TokenFilters, string>> = {};
  for (const name of ['jti', 'agent', 'audience', 'request'] as const) {
    if (filters[name] !== '' && !NAME.test(filters[name])) problems[name] = 'Not an id.';
  }
  if (filters.state !== '' && phase === null) problems.state = `Not a state: ${TOKEN_PHASES.join(', ')} are.`;
  const { after } = context.query;
  const { jti, agent, audience, request } = filters;
  return {
    filters,
    problems,
    filter: {
      jti: jti || null,
      agent: agent || null,
      audience: audience || null,
      request: request || null,
      phase,
    },
    after: typeof after === 'string' && NAME.test(after) ? after : null,
  };
};

const addressOf = (filters: TokenFilters, after: string | null): string => {
  const query = new URLSearchParams();
  for (const name of FILTER_NAMES) if (filters[name] !== '') query.set(name, filters[name]);
  if (after !== null) query.set('after', after);
  return query.size === 0 ? '/tokens' : `/tokens?${query}`;
};

const showTokens = async (parts: ConsoleParts, context: ConsoleContext): Promise<void> => {
  const json = asksForJson(context);
  const { filters, problems, filter, after } = questionOf(context);
  const problem = Object.entries(problems)[0];
  if (json && problem !== undefined) {
    const description = `${problem[0]}: ${problem[1]}`;
    return refuseJson(context, { status: 400, error: 'invalid_request', description });
  }
  const { items, next, now } =
    problem === undefined
      ? await listTokens(parts.database, filter, { after, limit: PAGE_SIZE })
      : { items: [], next: null, now: parts.clock() };
  const registry = parts.registry();
  const nextPage = next === null ? null : addressOf(filters, next);
  if (json) {
    return answerJson(context, {
      items: items.map((token) => tokenJson(token, registry)),
      ...(nextPage !== null && { next: nextPage }),
    });
  }
  const model: TokensModel = {
    filters,
    problems,
    phases: TOKEN_PHASES,
    items: items.map((token) => tokenItem(token, registry, now)),
    now,
    next: nextPage,
  };
  const page = (tag: string) => (
    <TokensPage page={pageContext(parts, context)} model={model} href={addressOf(filters, after)} tag={tag} />
  );
  if (problem === undefined) answerLive(context, <Tokens model={model} />, page);
  else answerPage(context, page(''), 400);
};

const showToken = async (parts: ConsoleParts, context: ConsoleContext): Promise<void> => {
  const jti = jtiOf(context);
  const lineage = jti === null ? null : await findLineage(parts.database, jti);
  if (asksForJson(context)) {
    if (lineage === null)
      return refuseJson(context, { status: 404, error: 'not_found', description: 'no such token' });
    const registry = parts.registry();
    return answerJson(context, {
      token: tokenJson(lineage.token, registry),
      lineage: lineage.tokens.map((token) => tokenJson(token, registry)),
    });
  }
  if (lineage === null) return answerRefusal(parts, context, notFound);
  const model = tokenModel(parts, context, { lineage, problem: null, notice: null });
  answerLive(context, <TokenFacts model={model} />, (tag) => (
    <TokenPage page={pageContext(parts, context)} model={model} tag={tag} />
  ));
};

/** Shows it to tools that were let through, and to people whose roles read. */
const toReaders = async (
  parts: ConsoleParts,
  context: ConsoleContext,
  show: typeof showTokens,
): Promise<void> => {
  const { session } = context.state;
  if (session !== null && !mayReadTrail(session.roles))
    await refuseRole(parts, context, 'the app role Operator');
  else await show(parts, context);
};

export const tokenRoutes = (router: Router<ConsoleState>, parts: ConsoleParts): void => {
  router.get('/tokens', requireReader(parts), (context) => toReaders(parts, context, showTokens));
  router.get('/tokens/:jti', requireReader(parts), (context) => toReaders(parts, context, showToken));
  tokenDeedRoutes(router, parts);
};
