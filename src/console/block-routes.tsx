/** Kill switches: those in force for whoever reads, setting and lifting for those with the role; JSON for tools. */
import type Router from '@koa/router';
import type { BlockForm } from '../../views/block-forms.tsx';
import { Blocks, type BlocksModel, BlocksPage } from '../../views/blocks-page.tsx';
import { type Block, liftBlock, listBlocks, setBlock } from '../access/blocks.ts';
import type { JsonObject } from '../audit/event.ts';
import type { Form } from '../http/form.ts';
import { ENVIRONMENTS } from '../policy/rules.ts';
import type { BlockKind } from '../storage/tables.ts';
import { answerLive, answerPage, answerRefusal, pageContext, redirect } from './answers.tsx';
import { sessionOf } from './approval-routes.tsx';
import { blockItem, blockJson, peopleOf } from './block-model.ts';
import type { ConsoleContext, ConsoleParts, ConsoleState } from './console-parts.ts';
import { checkDeed, type DeedProblem, deedButton, deedModel, deedRoute } from './deeds.ts';
import { refuseRole } from './guards.tsx';
import { namesOf } from './people.ts';
import { answerJson, asksForJson, requireReader } from './readers.ts';
import { malformed, notFound } from './refusals.ts';
import { mayBlock, mayReadTrail } from './roles.ts';
import { signInFirst } from './sign-in-first.ts';
import { tellRefusal } from './tell-refusal.ts';

const BLOCK_ID = /^[A-Za-z0-9._~-]{1,128}$/;
const KINDS: readonly BlockKind[] = ['agent', 'audience', 'environment', 'global'];
/** What has to be typed before everything is closed. */
const CONFIRMATION = 'close everything';

/** Those in force first, then those that are over, each the newest first. */
const findBlocks = async ({ database }: ConsoleParts): Promise<readonly Block[]> => {
  const open = await listBlocks(database, { open: true });
  const all = await listBlocks(database, { open: false });
  return [...open, ...all.filter(({ liftedAt }) => liftedAt !== null)];
};

/** What became of a post, and what it had said. */
type Attempt = DeedProblem & { readonly form: BlockForm; readonly lift: string | null };

const NOTHING_TYPED: BlockForm = { kind: 'agent', subject: '', lasting: true };

const formsOf = (
  parts: ConsoleParts,
  context: ConsoleContext,
  {
    blocks,
    lift,
    attempt,
  }: { readonly blocks: readonly Block[]; readonly lift: string | null; readonly attempt: Attempt | null },
): BlocksModel['forms'] => {
  if (!mayBlock(context.state.session?.roles ?? [])) return null;
  const registry = parts.registry();
  const problemAt = (place: 'one' | 'global' | 'lift'): string | null => {
    if (attempt === null) return null;
    const at = attempt.lift !== null ? 'lift' : attempt.form.kind === 'global' ? 'global' : 'one';
    return at === place ? attempt.problem : null;
  };
  const set = (name: string, problem: string | null) =>
    deedModel(context, '/blocks', {
      buttons: [deedButton(parts, context, { deed: 'set_block', subject: '', name })],
      problem,
    });
  const lifted = blocks.find(({ id, liftedAt }) => id === lift && liftedAt === null);
  return {
    typed: attempt?.form ?? NOTHING_TYPED,
    subjects: [...registry.agents.keys(), ...registry.resources.keys(), ...ENVIRONMENTS],
    confirmation: CONFIRMATION,
    one: set('Close it', problemAt('one')),
    global: set('Close everything', problemAt('global')),
    lift:
      lifted === undefined
        ? null
        : {
            id: lifted.id,
            deed: deedModel(context, `/blocks/${lifted.id}`, {
              buttons: [
                deedButton(parts, context, { deed: 'lift_block', subject: lifted.id, name: 'Lift it' }),
              ],
              problem: problemAt('lift'),
            }),
            signIn: signInFirst(`/blocks?lift=${lifted.id}`, sessionOf(context), {
              demands: [],
              now: parts.clock(),
            }),
          },
    notice: attempt !== null && attempt.lift !== null && lifted === undefined ? attempt.problem : null,
  };
};

const showBlocks = async (
  parts: ConsoleParts,
  context: ConsoleContext,
  attempt: Attempt | null = null,
): Promise<void> => {
  const blocks = await findBlocks(parts);
  if (attempt === null && asksForJson(context)) {
    const items: JsonObject[] = blocks.map(blockJson);
    return answerJson(context, { items });
  }
  const names = await namesOf(parts.database, peopleOf(blocks));
  const asked = context.query.lift;
  const lift = attempt === null ? (typeof asked === 'string' ? asked : null) : attempt.lift;
  const model: BlocksModel = {
    blocks: blocks.map((block) => blockItem(block, names)),
    now: parts.clock(),
    forms: formsOf(parts, context, { blocks, lift, attempt }),
  };
  const page = (tag: string) => <BlocksPage page={pageContext(parts, context)} model={model} tag={tag} />;
  if (attempt === null) answerLive(context, <Blocks model={model} />, page);
  else answerPage(context, page(''), attempt.status);
};

const UNKNOWN: DeedProblem = {
  status: 422,
  problem: 'There is no such agent, API or environment. Nothing was changed.',
};
const ALREADY: DeedProblem = { status: 409, problem: 'That is closed already. Nothing was changed.' };
const UNCONFIRMED: DeedProblem = {
  status: 422,
  problem: `Type “${CONFIRMATION}” to close everything. Nothing was changed.`,
};
const STALE: DeedProblem = {
  status: 403,
  problem: 'Your sign-in is older than an hour. Nothing was changed.',
};
const OVER: DeedProblem = { status: 409, problem: 'That was lifted before. Nothing was changed.' };

const set = async (parts: ConsoleParts, context: ConsoleContext, form: Form): Promise<void> => {
  const kind = KINDS.find((known) => known === form.get('kind'));
  if (kind === undefined)
    return answerRefusal(parts, context, malformed('It does not say what to close, so nothing was changed.'));
  const subject = kind === 'global' ? '' : (form.get('subject') ?? '').trim();
  const typed: BlockForm = { kind, subject, lasting: form.get('lasting') !== 'no' };
  const answer = (problem: DeedProblem) =>
    showBlocks(parts, context, { ...problem, form: typed, lift: null });
  const checked = await checkDeed(parts, context, { deed: 'set_block', subject: '', form });
  if ('problem' in checked) return answer(checked);
  if (kind === 'global' && form.get('confirmation')?.trim().toLowerCase() !== CONFIRMATION)
    return answer(UNCONFIRMED);
  const outcome = await setBlock(parts.database, typed, checked);
  if (outcome === 'unknown') return answer(UNKNOWN);
  if (outcome === 'already') return answer(ALREADY);
  redirect(context, '/blocks');
};

const lift = async (parts: ConsoleParts, context: ConsoleContext, form: Form): Promise<void> => {
  const id = context.params.block ?? '';
  if (!BLOCK_ID.test(id)) return answerRefusal(parts, context, notFound);
  const answer = (problem: DeedProblem) =>
    showBlocks(parts, context, { ...problem, form: NOTHING_TYPED, lift: id });
  const checked = await checkDeed(parts, context, { deed: 'lift_block', subject: id, form });
  if ('problem' in checked) return answer(checked);
  const { signedInAt } = sessionOf(context);
  const outcome = await liftBlock(parts.database, id, { ...checked, signedInAt });
  if (outcome === 'roles_stale') {
    await tellRefusal(parts, context, { event: 'console.refused', reason: outcome });
    return answer(STALE);
  }
  if (outcome === 'unknown') return answerRefusal(parts, context, notFound);
  if (outcome === 'over') return answer(OVER);
  redirect(context, '/blocks');
};

export const blockRoutes = (router: Router<ConsoleState>, parts: ConsoleParts): void => {
  router.get('/blocks', requireReader(parts), async (context) => {
    const { session } = context.state;
    if (session !== null && !mayReadTrail(session.roles))
      await refuseRole(parts, context, 'the app role SecurityAdmin');
    else await showBlocks(parts, context);
  });
  const admin = { allowed: mayBlock, role: 'the app role SecurityAdmin' };
  deedRoute(router, parts, {
    ...admin,
    path: '/blocks',
    deeds: ['set_block'],
    act: (context, _deed, form) => set(parts, context, form),
  });
  deedRoute(router, parts, {
    ...admin,
    path: '/blocks/:block',
    deeds: ['lift_block'],
    act: (context, _deed, form) => lift(parts, context, form),
  });
};
