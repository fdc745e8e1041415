/** The audit trail by filter, newest first: a page for people, `{items, next?}` for tools. */
import type Router from '@koa/router';
import { type AuditFilters, type AuditModel, AuditPage } from '../../views/audit-page.tsx';
import { ReasonsPage } from '../../views/reasons-page.tsx';
import { type EventFilter, listEvents } from '../audit/trace.ts';
import { refusalsOf } from '../reasons/catalogue.ts';
import { answerPage, pageContext } from './answers.tsx';
import { eventJson } from './audit-json.ts';
import type { ConsoleContext, ConsoleParts, ConsoleState } from './console-parts.ts';
import { EVENT_NAMES, eventModel, peopleIn } from './event-model.ts';
import { refuseRole, requireSession } from './guards.tsx';
import { namesOf } from './people.ts';
import { answerJson, asksForJson, refuseJson, requireReader } from './readers.ts';
import { REASON_GROUPS, REASONS_MODEL } from './reason-model.ts';
import { mayReadTrail } from './roles.ts';

const AUDIT_PAGE_SIZE = 50;

const FILTER_NAMES = ['agent', 'request', 'event', 'reason', 'from', 'to'] as const;

/** What a filter by name can hold: the ids of the broker and of its callers. */
const NAME = /^[\x21-\x7e]{1,128}$/;
/** RFC 3339; what people leave out is today, midnight, no seconds and UTC. */
const TIME = /^(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)([Zz]|[+-]\d{2}:\d{2})?)?$/;
const TIME_OF_DAY = /^\d{1,2}:\d{2}(?::\d{2})?$/;
const POSITION = /^\d{1,15}$/;

const PROBLEMS = {
  name: 'Not an id or a name.',
  reason: 'Not a reason.',
  time: 'Not a time such as 2026-01-31 08:00, or 08:00 of today.',
} as const;

type Question = {
  readonly filters: AuditFilters;
  readonly problems: AuditModel['problems'];
  readonly filter: EventFilter;
  readonly before: number | null;
};

const typedFilters = (context: ConsoleContext): AuditFilters => {
  const typed = (name: keyof AuditFilters): string => [context.query[name] ?? ''].flat().join(' ').trim();
  return {
    agent: typed('agent'),
    request: typed('request'),
    event: typed('event'),
    reason: typed('reason'),
    from: typed('from'),
    to: typed('to'),
  };
};

const timeOf = (text: string, now: Date): Date | null => {
  const today = TIME_OF_DAY.test(text) ? `${now.toISOString().slice(0, 11)}${text.padStart(5, '0')}` : text;
  const [, day, hour = '00:00', offset = 'Z'] = TIME.exec(today) ?? [];
  const time = new Date(`${day}T${hour}${offset.toUpperCase()}`);
  return Number.isNaN(time.getTime()) ? null : time;
};

const questionOf = (context: ConsoleContext, now: Date): Question => {
  const filters = typedFilters(context);
  const { agent, request, event, reason, from, to } = filters;
  const refusal = reason === '' ? null : refusalsOf(reason);
  const problems: Partial<Record<keyof AuditFilters, string>> = {};
  for (const name of ['agent', 'request', 'event'] as const) {
    if (filters[name] !== '' && !NAME.test(filters[name])) problems[name] = PROBLEMS.name;
  }
  if (refusal === undefined) problems.reason = PROBLEMS.reason;
  for (const name of ['from', 'to'] as const) {
    if (filters[name] !== '' && timeOf(filters[name], now) === null) problems[name] = PROBLEMS.time;
  }
  const { before } = context.query;
  return {
    filters,
    problems,
    filter: {
      agent: agent || null,
      request: request || null,
      event: event || null,
      refusal: refusal ?? null,
      from: timeOf(from, now),
      to: timeOf(to, now),
    },
    before: typeof before === 'string' && POSITION.test(before) ? Number(before) : null,
  };
};

const addressOf = (filters: AuditFilters, before: number | null = null): string => {
  const query = new URLSearchParams();
  for (const name of FILTER_NAMES) if (filters[name] !== '') query.set(name, filters[name]);
  if (before !== null) query.set('before', String(before));
  return query.size === 0 ? '/audit' : `/audit?${query}`;
};

const showAudit = async (parts: ConsoleParts, context: ConsoleContext): Promise<void> => {
  const json = asksForJson(context);
  const { filters, problems, filter, before } = questionOf(context, parts.clock());
  const problem = Object.entries(problems)[0];
  if (json && problem !== undefined) {
    const description = `${problem[0]}: ${problem[1]}`;
    return refuseJson(context, { status: 400, error: 'invalid_request', description });
  }
  const { items, next } =
    problem === undefined
      ? await listEvents(parts.database, filter, { before, limit: AUDIT_PAGE_SIZE })
      : { items: [], next: null };
  const nextPage = next === null ? null : addressOf(filters, next);
  if (json) {
    return answerJson(context, {
      items: items.map(eventJson),
      ...(nextPage !== null && { next: nextPage }),
    });
  }
  const names = await namesOf(parts.database, peopleIn(items));
  const model: AuditModel = {
    filters,
    problems,
    eventNames: EVENT_NAMES,
    reasonGroups: REASON_GROUPS,
    everything: addressOf({ ...filters, reason: '' }),
    refusals: addressOf({ ...filters, reason: 'any' }),
    events: items.map((event) => eventModel(event, names)),
    next: nextPage,
  };
  const page = <AuditPage page={pageContext(parts, context)} model={model} />;
  answerPage(context, page, problem === undefined ? 200 : 400);
};

export const auditRoutes = (router: Router<ConsoleState>, parts: ConsoleParts): void => {
  router.get('/audit', requireReader(parts), async (context) => {
    const { session } = context.state;
    if (session !== null && !mayReadTrail(session.roles))
      await refuseRole(parts, context, 'the app role Auditor');
    else await showAudit(parts, context);
  });
  router.get('/reasons', requireSession(parts), (context) => {
    answerPage(context, <ReasonsPage page={pageContext(parts, context)} model={REASONS_MODEL} />);
  });
};
