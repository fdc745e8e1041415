/** `countersign block`: the kill switches. */
import { liftBlock, listBlocks, setBlock } from '../access/blocks.ts';
import { CHANGE_OPTIONS, CHANGE_USAGE, parseChangeNote } from './change-note.ts';
import { parseTarget, TARGET_OPTIONS, TARGET_USAGE } from './closing-target.ts';
import { type Command, type CommandIo, type ExitCode, parseArguments, UsageError } from './command.ts';
import { withDatabase } from './with-database.ts';

const OPTIONS = {
  ...CHANGE_OPTIONS,
  ...TARGET_OPTIONS,
  json: { type: 'boolean', default: false },
} as const;

const list = async (io: CommandIo, json: boolean): Promise<ExitCode> => {
  const blocks = await withDatabase(io, (database) => listBlocks(database, { open: false }));
  const items = blocks
    .filter(({ lasting }) => lasting)
    .map(({ id, kind, subject, reason, setBy, setAt, liftedAt, liftedBy, liftedReason }) => ({
      id,
      kind,
      subject,
      reason,
      set_by: setBy,
      set_at: setAt.toISOString(),
      lifted_at: liftedAt?.toISOString() ?? null,
      lifted_by: liftedBy,
      lifted_reason: liftedReason,
    }));
  if (json) io.write(`${JSON.stringify({ items })}\n`);
  else if (items.length === 0) io.write('nothing was ever blocked\n');
  else
    for (const { id, kind, subject, reason, set_by, set_at, lifted_at } of items)
      io.write(
        `${lifted_at === null ? 'blocked' : 'lifted '} ${`${kind} ${subject}`.trim()} since ${set_at} by ${set_by}: ${reason} (${id})\n`,
      );
  return 0;
};

type Values = ReturnType<
  typeof parseArguments<{ options: typeof OPTIONS; allowPositionals: true }>
>['values'];

const set = async (io: CommandIo, values: Values): Promise<ExitCode> => {
  const target = parseTarget(values);
  const { reason, appliedBy: by } = parseChangeNote(values);
  const set = await withDatabase(io, (database) =>
    setBlock(database, { ...target, lasting: true }, { by, reason }),
  );
  if (set === 'unknown') {
    io.writeError(`there is no ${`${target.kind} ${target.subject}`.trim()}\n`);
    return 1;
  }
  const already = set === 'already';
  if (values.json) io.write(`${JSON.stringify({ ...(!already && set), ...target, already })}\n`);
  else if (already) io.write('blocked already: "block list" shows by whom and why\n');
  else io.write(`${set.id} is set: nothing under it is given, and what was is ended\n`);
  return 0;
};

const lift = async (io: CommandIo, values: Values, id: string | undefined): Promise<ExitCode> => {
  if (id === undefined) throw new UsageError('name the block to lift: block list shows them');
  const { reason, appliedBy: by } = parseChangeNote(values);
  const lifter = { by, reason, signedInAt: null };
  const lifted = (await withDatabase(io, (database) => liftBlock(database, id, lifter))) === 'lifted';
  if (values.json) io.write(`${JSON.stringify({ id, lifted })}\n`);
  else if (lifted) io.write(`${id} is lifted; what it ended stays ended\n`);
  else io.writeError(`${id} is not there, or was lifted before\n`);
  return lifted ? 0 : 1;
};

export const block: Command = {
  name: 'block',
  summary: 'set, lift and list kill switches',
  usage: `block set (--agent ID | --resource AUDIENCE | --environment NAME | --all) --reason TEXT [--as TENANT/OBJECT] [--json]
       countersign block lift ID --reason TEXT [--as TENANT/OBJECT] [--json]
       countersign block list [--json]

set   on every replica nothing under it is given from then on; what waits, what was approved and what is used ends,
      and the APIs that follow are told. A failure says nothing was stored for certain: repeat it.
lift  lets agents ask again. What was ended stays ended. Where an assertion may have been stolen, also
      "countersign revoke --agent ID": then the agent has to get a new one.

${TARGET_USAGE}
${CHANGE_USAGE}
  --json              print as JSON`,
  run: async (args, io) => {
    const { values, positionals } = parseArguments(args, { options: OPTIONS, allowPositionals: true });
    const [action, id, ...rest] = positionals;
    if (rest.length > 0 || (id !== undefined && action !== 'lift'))
      throw new UsageError('too many arguments');
    if (action === 'list') return list(io, values.json);
    if (action === 'set') return set(io, values);
    if (action === 'lift') return lift(io, values, id);
    throw new UsageError('say set, lift or list');
  },
};
