import { type AppliedRegistry, applyRegistry } from '../registry/apply.ts';
import type { LostAccess } from '../registry/lost-access.ts';
import { registryDiffText } from '../registry/registry-diff-text.ts';
import { RegistryInvalid, readRegistry } from '../registry/registry-file.ts';
import { CHANGE_OPTIONS, CHANGE_USAGE, parseChangeNote } from './change-note.ts';
import { type Command, type CommandIo, parseArguments, UsageError } from './command.ts';
import { withDatabase } from './with-database.ts';

const OPTIONS = {
  ...CHANGE_OPTIONS,
  'dry-run': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

/** A dry run records nothing, so it needs no reason. */
const DRY_RUN_NOTE = { reason: '', appliedBy: '' };

const summaryText = (result: AppliedRegistry, dryRun: boolean): string => {
  const counts = `${result.changes.length} changed, ${result.unchanged} unchanged`;
  if (result.changes.length === 0)
    return `nothing to change: revision ${result.revision} is in force (${counts})\n`;
  return dryRun
    ? `dry run: revision ${result.revision} stays in force (${counts} if applied)\n`
    : `revision ${result.revision} is in force (${counts})\n`;
};

const counted = (count: number, [one, many]: readonly [string, string]): string[] =>
  count === 0 ? [] : [`${count} ${count === 1 ? one : many}`];

const lostText = ({ agent, audience, waiting, granted }: LostAccess): string => {
  const open = [
    ...counted(waiting, ['waiting request', 'waiting requests']),
    ...counted(granted, ['open grant', 'open grants']),
  ];
  return `${agent} would get no further token for ${audience}: ${open.join(' and ')} would come to nothing`;
};

/** What somebody would rather know before than after. */
const warningText = ({ changes, lost = [] }: AppliedRegistry): string =>
  [
    ...changes
      .filter(({ entry, change }) => change === 'disabled' && entry !== 'person')
      .map(({ entry, id }) =>
        entry === 'agent'
          ? `the agent ${id} would be disabled: it gets no token for anything`
          : `the API ${id} would be disabled: nobody gets a token for it`,
      ),
    ...lost.map(lostText),
    ...(lost.some(({ granted }) => granted > 0)
      ? [
          'tokens that are out go on until they expire, within minutes; "countersign block set" ends them at once',
        ]
      : []),
  ]
    .map((warning) => `warning: ${warning}\n`)
    .join('');

const applyFiles = async (
  files: readonly string[],
  options: { readonly dryRun: boolean; readonly reason: string; readonly appliedBy: string },
  io: CommandIo,
): Promise<AppliedRegistry> => {
  const document = await readRegistry(files);
  return withDatabase(io, (database) => applyRegistry(database, document, options));
};

export const apply: Command = {
  name: 'apply',
  summary: 'put a registry of agents and APIs in force',
  usage: `apply FILE... --reason TEXT [--as TENANT/OBJECT] [--dry-run] [--json]

Puts the registry of the files (YAML, together one registry) in force on every replica: validated whole, as a numbered
revision, each change an audit event. What the files no longer name is disabled, never deleted.

${CHANGE_USAGE}
  --dry-run           show what would change and what agents at work would lose, and change nothing
  --json              print the changes as JSON`,
  run: async (args, io) => {
    const { values, positionals } = parseArguments(args, { options: OPTIONS, allowPositionals: true });
    if (positionals.length === 0) throw new UsageError('name at least one registry file');
    const dryRun = values['dry-run'];
    const note = dryRun ? DRY_RUN_NOTE : parseChangeNote(values);
    try {
      const result = await applyFiles(positionals, { ...note, dryRun }, io);
      io.write(
        values.json
          ? `${JSON.stringify({ ...result, dry_run: dryRun })}\n`
          : registryDiffText(result.changes) +
              (dryRun ? warningText(result) : '') +
              summaryText(result, dryRun),
      );
      return 0;
    } catch (error) {
      if (!(error instanceof RegistryInvalid)) throw error;
      if (values.json) io.write(`${JSON.stringify({ problems: error.problems })}\n`);
      else io.writeError(`${error.message}\n`);
      return 1;
    }
  },
};
