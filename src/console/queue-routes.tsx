/** The queue: what waits for this person or was decided by their groups, narrowed by what the address says. */
import type Router from '@koa/router';
import { Queue, type QueueFilters, type QueueModel, QueuePage } from '../../views/queue-page.tsx';
import { findApprovers } from '../access/queue-approvers.ts';
import {
  findDecided,
  findWaiting,
  parseQueueCursor,
  type QueueFilter,
  renderQueueCursor,
} from '../access/queue-lists.ts';
import type { Registry } from '../registry/registry.ts';
import { answerLive, answerPage, pageContext } from './answers.tsx';
import { queueItem } from './approval-model.ts';
import { sessionOf } from './approval-routes.tsx';
import type { ConsoleContext, ConsoleParts, ConsoleState } from './console-parts.ts';
import { decidedBetween } from './decided-between.ts';
import { requireRole, requireSession } from './guards.tsx';
import { mayApprove } from './roles.ts';

/** Requests on one page of the queue: more than anybody reads at once. */
const QUEUE_PAGE_SIZE = 50;
const FILTER_MAX_LENGTH = 100;

const typedFilters = (context: ConsoleContext, show: QueueModel['show']): QueueFilters => {
  const typed = (name: keyof QueueFilters): string =>
    [context.query[name] ?? ''].flat().join(' ').trim().slice(0, FILTER_MAX_LENGTH).toWellFormed();
  return {
    agent: typed('agent'),
    api: typed('api'),
    environment: typed('environment'),
    sensitivity: typed('sensitivity'),
    ...(show === 'decided'
      ? { outcome: typed('outcome'), approver: typed('approver'), from: typed('from'), to: typed('to') }
      : { outcome: '', approver: '', from: '', to: '' }),
  };
};

const has = (text: string, part: string): boolean => text.toLowerCase().includes(part.toLowerCase());

/** Typed text finds what the registry names so, and the very id of what left it. PostgreSQL's text has no NUL. */
const filterOf = (
  filters: QueueFilters,
  registry: Registry,
): Pick<QueueFilter, 'agents' | 'audiences' | 'outcome'> => {
  const { agent, api, environment, sensitivity, outcome } = filters;
  const exactly = (typed: string): string[] => (typed === '' ? [] : [typed.replaceAll('\0', '')]);
  const agents = [...registry.agents.values()].filter(({ id, name }) => has(id, agent) || has(name, agent));
  const resources = [...registry.resources.values()].filter(
    (resource) =>
      (has(resource.audience, api) || has(resource.name, api)) &&
      (environment === '' || resource.environment === environment) &&
      (sensitivity === '' || resource.sensitivity === sensitivity),
  );
  const gone = environment === '' && sensitivity === '' && !registry.resources.has(api) ? exactly(api) : [];
  return {
    agents: agent === '' ? null : [...agents.map(({ id }) => id), ...exactly(agent)],
    audiences:
      api + environment + sensitivity === '' ? null : [...resources.map(({ audience }) => audience), ...gone],
    outcome: outcome === 'approved' || outcome === 'denied' ? outcome : null,
  };
};

const queueAddress = ({ show, filters }: Pick<QueueModel, 'show' | 'filters'>, after: string | null) => {
  const query = new URLSearchParams({
    ...(show === 'decided' && { show }),
    ...Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== '')),
    ...(after !== null && { after }),
  });
  return query.size === 0 ? '/approvals' : `/approvals?${query}`;
};

const showQueue = async (parts: ConsoleParts, context: ConsoleContext): Promise<void> => {
  const session = sessionOf(context);
  const registry = parts.registry();
  const show = context.query.show === 'decided' ? 'decided' : 'waiting';
  const filters = typedFilters(context, show);
  const { problems, ...between } = decidedBetween(filters);
  const after = typeof context.query.after === 'string' ? parseQueueCursor(context.query.after) : null;
  const model = { show, filters, problems, first: after === null } as const;
  const href = queueAddress(model, after === null ? null : renderQueueCursor(after));
  if (Object.keys(problems).length > 0) {
    const nothing: QueueModel = { ...model, items: [], now: parts.clock(), next: null };
    answerPage(context, <QueuePage page={pageContext(parts, context)} model={nothing} live={null} />, 400);
    return;
  }
  const approver = filters.approver.replaceAll('\0', '');
  const approvers = approver === '' ? null : await findApprovers(parts.database, approver, registry);
  const filter = { ...filterOf(filters, registry), ...between, approvers };
  const asked = { after, limit: QUEUE_PAGE_SIZE, filter, registry };
  const found = await (show === 'decided' ? findDecided : findWaiting)(parts.database, session, asked);
  const whole: QueueModel = {
    ...model,
    items: found.items.map((entry) => queueItem(entry, registry, session)),
    now: found.now,
    next: found.next === null ? null : queueAddress(model, renderQueueCursor(found.next)),
  };
  answerLive(context, <Queue model={whole} />, (tag) => (
    <QueuePage page={pageContext(parts, context)} model={whole} live={{ href, tag }} />
  ));
};

export const queueRoutes = (router: Router<ConsoleState>, parts: ConsoleParts): void => {
  router.get(
    '/approvals',
    requireSession(parts),
    requireRole(parts, mayApprove, 'the app role Approver'),
    (context) => showQueue(parts, context),
  );
};
