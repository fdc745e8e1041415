/** `countersign revoke`: takes back what was given, without closing anything. */
import { setBlock } from '../access/blocks.ts';
import { endGrant, revokeToken } from '../access/revoke.ts';
import type { ChangeNote } from '../registry/in-force.ts';
import type { Database } from '../storage/database.ts';
import { CHANGE_OPTIONS, CHANGE_USAGE, parseChangeNote } from './change-note.ts';
import { type ClosingTarget, TARGET_OPTIONS, TARGET_USAGE, targetsOf } from './closing-target.ts';
import { type Command, parseArguments, UsageError } from './command.ts';
import { withDatabase } from './with-database.ts';

const OPTIONS = {
  ...CHANGE_OPTIONS,
  ...TARGET_OPTIONS,
  token: { type: 'string' },
  grant: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

type Target = ClosingTarget | { readonly kind: 'token' | 'grant'; readonly subject: string };
/** What became of it; null: there is no such thing. */
type Taken = 'revoked' | 'was over already' | null;

const takeBack = async (database: Database, target: Target, note: ChangeNote): Promise<Taken> => {
  const { kind, subject } = target;
  const author = { by: note.appliedBy, reason: note.reason };
  const taken =
    kind === 'token'
      ? await revokeToken(database, subject, author)
      : kind === 'grant'
        ? await endGrant(database, subject, author, 'operator')
        : await setBlock(database, { kind, subject, lasting: false }, author);
  if (taken === 'unknown') return null;
  return taken === 'over' ? 'was over already' : 'revoked';
};

export const revoke: Command = {
  name: 'revoke',
  summary: 'take back a token, a grant, or everything of an agent or an API',
  usage: `revoke (--token JTI | --grant ID | --agent ID | --resource AUDIENCE | --environment NAME | --all) --reason TEXT
                          [--as TENANT/OBJECT] [--json]

--token takes one token back: under its grant the agent may get another. --grant, by the id of its request, ends
the grant with its tokens: the agent is refused from then on. The others end everything that is open there; agents may
ask anew at once, but of --agent and --all older assertions are believed no more. "block set" also keeps it closed.

  --token JTI         one token
  --grant ID          one grant, by the id of its request: areq_...
${TARGET_USAGE}
${CHANGE_USAGE}
  --json              print as JSON`,
  run: async (args, io) => {
    const { values } = parseArguments(args, { options: OPTIONS });
    const { token, grant } = values;
    const targets: Target[] = [
      ...targetsOf(values),
      ...(token === undefined ? [] : [{ kind: 'token', subject: token } as const]),
      ...(grant === undefined ? [] : [{ kind: 'grant', subject: grant } as const]),
    ];
    const [target, ...more] = targets;
    if (target === undefined || more.length > 0)
      throw new UsageError('name one of --token, --grant, --agent, --resource, --environment, --all');
    const note = parseChangeNote(values);
    const taken = await withDatabase(io, (database) => takeBack(database, target, note));
    if (values.json) io.write(`${JSON.stringify({ ...target, result: taken })}\n`);
    else if (taken === null) io.writeError(`there is no ${target.kind} ${target.subject}\n`);
    else io.write(`${`${target.kind} ${target.subject}`.trim()}: ${taken}\n`);
    return taken === null ? 1 : 0;
  },
};
