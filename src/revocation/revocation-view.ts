/** The log of revocations as one replica holds it, and what of it a reader lacks. Pure. */
import type { RevocationKind } from '../storage/tables.ts';
import { FORGIVEN_SECONDS, RETAINED_SECONDS } from './revocation-log.ts';

/** One line of the log. */
export type LogLine = {
  readonly position: number;
  readonly mark: string;
  readonly kind: RevocationKind;
  readonly subject: string;
  /** Whole seconds since 1970: of a token its `exp`, else the last second whose tokens are refused. */
  readonly until: number;
  readonly recordedAt: Date;
};

export type RevocationView = {
  /** Where the log ended at the look. */
  readonly position: number;
  readonly mark: string;
  /** The database's clock at the look. */
  readonly now: Date;
  /** Without gaps, the newest last. */
  readonly lines: readonly LogLine[];
};

/** The last seconds whose tokens are refused: everywhere, by signing key, by agent, by audience, by environment. */
export type NotBefore = {
  readonly global?: number;
  readonly keys?: Readonly<Record<string, number>>;
  readonly agents?: Readonly<Record<string, number>>;
  readonly audiences?: Readonly<Record<string, number>>;
  readonly environments?: Readonly<Record<string, number>>;
};

export type RevocationDelta = {
  readonly cursor: string;
  /** The reader must forget what it had. */
  readonly complete: boolean;
  readonly revoked: readonly { readonly jti: string; readonly exp: number }[];
  readonly not_before: NotBefore;
};

const MEMBERS = { key: 'keys', agent: 'agents', audience: 'audiences', environment: 'environments' } as const;

export const cursorOf = ({ position, mark }: Pick<RevocationView, 'position' | 'mark'>): string =>
  `${position}.${mark}`;

/** `seen` with the lines known before it: those that may matter, and always the newest, by which a cursor is known. */
export const viewWith = (before: readonly LogLine[], seen: RevocationView): RevocationView => {
  const oldest = seen.now.getTime() - RETAINED_SECONDS * 1_000;
  const lines = [...before, ...seen.lines];
  const first = lines.findIndex(({ recordedAt }) => recordedAt.getTime() >= oldest);
  return { ...seen, lines: lines.slice(first === -1 ? -1 : first) };
};

/** The lines after `cursor`; null: it is of no place that is known here. */
const linesAfter = (view: RevocationView, cursor: string): readonly LogLine[] | null => {
  if (cursor === cursorOf(view)) return [];
  const index = view.lines.findLastIndex((line) => cursorOf(line) === cursor);
  return index === -1 ? null : view.lines.slice(index + 1);
};

const notBeforeOf = (lines: readonly LogLine[]): NotBefore => {
  const latest = (kind: RevocationKind): Record<string, number> => {
    const times = new Map<string, number>();
    for (const line of lines)
      if (line.kind === kind) times.set(line.subject, Math.max(times.get(line.subject) ?? 0, line.until));
    return Object.fromEntries(times);
  };
  const [global] = Object.values(latest('global'));
  const bySubject = Object.entries(MEMBERS).map(
    ([kind, member]) => [member, latest(kind as keyof typeof MEMBERS)] as const,
  );
  return {
    ...(global !== undefined && { global }),
    ...Object.fromEntries(bySubject.filter(([, times]) => Object.keys(times).length > 0)),
  };
};

/** What a reader at `cursor` (null: it has nothing) lacks. */
export const deltaAfter = (view: RevocationView, cursor: string | null): RevocationDelta => {
  const after = cursor === null ? null : linesAfter(view, cursor);
  const lines = after ?? view.lines;
  const unexpired = view.now.getTime() / 1_000 - FORGIVEN_SECONDS;
  return {
    cursor: cursorOf(view),
    complete: after === null,
    revoked: lines
      .filter(({ kind, until }) => kind === 'token' && until > unexpired)
      .map(({ subject, until }) => ({ jti: subject, exp: until })),
    not_before: notBeforeOf(lines),
  };
};
