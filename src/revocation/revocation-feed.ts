/**
 * The log of revocations, followed by this replica for every reader at once: it looks four times a second, whoever
 * waits is told when something came. What is answered was looked at within the last second, or nothing is answered: an
 * empty answer of a replica that has lost the database would look like peace.
 */
import type { Logger } from 'pino';
import { oneAtATime } from '../one-at-a-time.ts';
import type { Database, Statement } from '../storage/database.ts';
import type { RevocationKind } from '../storage/tables.ts';
import { type Hold, openHeldReaders } from './held-readers.ts';
import {
  cursorOf,
  deltaAfter,
  type LogLine,
  type RevocationDelta,
  type RevocationView,
  viewWith,
} from './revocation-view.ts';

/** Time between two looks. */
const LOOK_INTERVAL_MS = 250;
/** What was looked at longer ago is no answer. */
const VIEW_MAX_AGE_MS = 1_000;
/** Readers held at a time. Who comes then is answered at once, or somebody of the address that holds most is instead. */
const HELD_MAX = 512;

/** The log could not be looked at: 503. */
export class RevocationsUnavailable extends Error {
  readonly retryAfterSeconds = 1;
}

/** What a reader lacks, as the database had it at `now`. */
export type RevocationAnswer = RevocationDelta & { readonly now: Date };

export type RevocationFeed = {
  /**
   * What a reader at `cursor` (null: it has nothing) lacks. If that is nothing it is held for at most `waitMs`, or until
   * `signal` says that it has gone. Throws `RevocationsUnavailable`.
   */
  readonly read: (cursor: string | null, hold: Hold) => Promise<RevocationAnswer>;
  /** Looks now: for what this replica has just written. Never rejects. */
  readonly look: () => Promise<void>;
  /** Answers whoever is held; nobody is held from then on. */
  readonly release: () => void;
  readonly stop: () => Promise<void>;
};

export type RevocationFeedOptions = {
  readonly database: Database;
  readonly logger: Logger;
  /** Sees how long after it was written each line was taken over, seconds. */
  readonly observe: (seconds: number) => void;
  readonly heldMax?: number;
  readonly lookIntervalMs?: number;
};

const LOOK: Statement = {
  name: 'look-at-revocations',
  text: `
select h.position as end_position, h.mark as end_mark, clock_timestamp() as now,
  (select mark from revocations where position = $1) as known_mark,
  r.position, r.mark, r.kind, r.subject, extract(epoch from r.until)::bigint as until, r.recorded_at
from revocation_head h left join revocations r on r.position > $1 order by r.position`,
};

type LookRow = {
  end_position: number;
  end_mark: string;
  now: Date;
  known_mark: string | null;
  position: number | null;
  mark: string;
  kind: RevocationKind;
  subject: string;
  until: number;
  recorded_at: Date;
};

const NOTHING: RevocationView = { position: 0, mark: '', now: new Date(0), lines: [] };

/** What stands in the log now behind `view`, and whether that is the log that `view` was seen in. */
const seeAfter = async (database: Database, view: RevocationView) => {
  const rows = await database.query<LookRow>(LOOK, [view.position]);
  const [end] = rows;
  if (end === undefined) throw new Error('the table revocation_head has lost its row');
  const lines = rows.flatMap(({ position, mark, kind, subject, until, recorded_at }): LogLine[] =>
    position === null ? [] : [{ position, mark, kind, subject, until, recordedAt: recorded_at }],
  );
  const seen: RevocationView = { position: end.end_position, mark: end.end_mark, now: end.now, lines };
  const isUnchanged = cursorOf(seen) === cursorOf(view);
  const isContinued = isUnchanged || view.position === 0 || end.known_mark === view.mark;
  return { seen, isUnchanged, isContinued };
};

/** Opens the feed; the first look is done when this resolves. Throws `DatabaseUnavailable`. */
export const openRevocationFeed = async (options: RevocationFeedOptions): Promise<RevocationFeed> => {
  const { database, logger, observe, heldMax = HELD_MAX, lookIntervalMs = LOOK_INTERVAL_MS } = options;
  let view = NOTHING;
  let lookedAt = 0;
  let failure: string | null = null;
  let released = false;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const held = openHeldReaders(heldMax);

  const isFresh = (): boolean => performance.now() - lookedAt <= VIEW_MAX_AGE_MS;

  const takeOver = async (): Promise<void> => {
    const began = performance.now();
    const { seen, isUnchanged, isContinued } = await seeAfter(database, view);
    if (isContinued) view = viewWith(view.lines, seen);
    else view = viewWith([], (await seeAfter(database, NOTHING)).seen);
    lookedAt = began;
    if (isUnchanged) return;
    for (const { recordedAt } of seen.lines) observe((seen.now.getTime() - recordedAt.getTime()) / 1_000);
    held.answerAll();
  };
  const tryLook = oneAtATime(async () => {
    try {
      await takeOver();
      if (failure !== null) logger.info('following the revocations again');
      failure = null;
    } catch (err) {
      if (String(err) !== failure) logger.error({ err }, 'cannot look at the revocations; APIs are told so');
      failure = String(err);
      if (!isFresh()) held.answerAll();
    }
  });
  const poll = async (): Promise<void> => {
    await tryLook();
    if (!stopped) timer = setTimeout(poll, lookIntervalMs);
  };

  const demandFresh = async (): Promise<void> => {
    if (!isFresh()) await tryLook();
    if (!isFresh()) throw new RevocationsUnavailable('the revocations could not be looked at');
  };

  view = (await seeAfter(database, NOTHING)).seen;
  lookedAt = performance.now();
  timer = setTimeout(poll, lookIntervalMs);
  return {
    read: async (cursor, hold) => {
      await demandFresh();
      if (cursor === cursorOf(view) && !released && !hold.signal.aborted && (await held.hold(hold)))
        await demandFresh();
      return { ...deltaAfter(view, cursor), now: view.now };
    },
    look: tryLook,
    release: () => {
      released = true;
      held.answerAll();
    },
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await tryLook();
    },
  };
};
