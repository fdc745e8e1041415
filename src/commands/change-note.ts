/** Who changes something and why: `--reason TEXT` and `--as TENANT/OBJECT` of every command that changes what is in force. */
import { DISPLAY_TEXT, isUnseen } from '../registry/display-text.ts';
import type { ChangeNote } from '../registry/in-force.ts';
import { UsageError } from './command.ts';

/** For `parseArguments`. */
export const CHANGE_OPTIONS = { reason: { type: 'string' }, as: { type: 'string' } } as const;

export const CHANGE_USAGE = `  --reason TEXT       why; recorded in the audit trail
  --as TENANT/OBJECT  who, by Entra tenant and object id; recorded as claimed, not as proven`;

/** Characters. */
const REASON_MAX_LENGTH = 500;
const PRINCIPAL =
  /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

type Options = { readonly reason?: string | undefined; readonly as?: string | undefined };

/** Throws `UsageError` without a reason of one line, or when `--as` is not two GUIDs. */
export const parseChangeNote = ({ reason = '', as }: Options): ChangeNote => {
  const text = reason.trim();
  if (isUnseen(text)) throw new UsageError('--reason is missing: say why, for the audit trail');
  if (text.length > REASON_MAX_LENGTH || !DISPLAY_TEXT.test(text))
    throw new UsageError(`--reason must be one line of at most ${REASON_MAX_LENGTH} characters`);
  if (as !== undefined && !PRINCIPAL.test(as))
    throw new UsageError('--as must be TENANT/OBJECT, two GUIDs of Entra');
  return { reason: text, appliedBy: as === undefined ? 'command line' : `claimed:${as.toLowerCase()}` };
};
