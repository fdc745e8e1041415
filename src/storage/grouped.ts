/**
 * Group commit. Calls of one turn of the event loop, and those that come while every lane is busy, share one statement
 * and one commit; each still waits for its own result. It couples strangers, so three things keep them apart: calls
 * with the same key never share a statement, a group that the server refused is run again call by call, so that each
 * gets its own answer, and an outage is told at once to everybody who waits, not to one group after another.
 */
import { DatabaseUnavailable } from './database.ts';

export type Grouping<Call, Result> = {
  /** Runs one statement for all of `calls`; answers in their order. */
  readonly run: (calls: readonly Call[]) => Promise<readonly Result[]>;
  /** Two calls of one key must not meet in a statement, such as two that would write the same row. */
  readonly keyOf?: (call: Call) => string;
};

/** Statements under way at a time: one in the server's hands while the other waits for the disk. */
const LANES = 2;
/** Calls in one statement: beyond it a statement only gets longer, not cheaper. */
const CALLS_MAX = 32;
/** SQLSTATE lock_not_available: a call's row is locked by somebody; the others need not wait for it. */
const LOCK_TIMEOUT = '55P03';

type Waiting<Call, Result> = {
  readonly call: Call;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
};

/** Whether nobody can say what became of the statement, or whether asking again now is of any use. */
export const isOutage = (error: unknown): boolean =>
  error instanceof DatabaseUnavailable && error.code !== LOCK_TIMEOUT;

/** The same function for a single call: it waits for its group. */
export const grouped = <Call, Result>({
  run,
  keyOf,
}: Grouping<Call, Result>): ((call: Call) => Promise<Result>) => {
  let queue: Waiting<Call, Result>[] = [];
  let busy = 0;
  let scheduled = false;

  /** The first of the queue, each key once; the rest stays. */
  const take = (): Waiting<Call, Result>[] => {
    if (keyOf === undefined) return queue.splice(0, CALLS_MAX);
    const taken: Waiting<Call, Result>[] = [];
    const left: Waiting<Call, Result>[] = [];
    const keys = new Set<string>();
    for (const waiting of queue) {
      const key = keyOf(waiting.call);
      if (taken.length === CALLS_MAX || keys.has(key)) left.push(waiting);
      else taken.push(waiting);
      keys.add(key);
    }
    queue = left;
    return taken;
  };

  const runAlone = async ({ call, resolve, reject }: Waiting<Call, Result>): Promise<void> => {
    try {
      for (const result of await run([call])) resolve(result);
    } catch (error) {
      reject(error);
    }
  };

  const runGroup = async (group: readonly Waiting<Call, Result>[]): Promise<void> => {
    try {
      const results = await run(group.map(({ call }) => call));
      for (const [index, { resolve }] of group.entries()) resolve(results[index] as Result);
    } catch (error) {
      if (isOutage(error)) {
        for (const { reject } of group.concat(queue.splice(0))) reject(error);
      } else if (group.length === 1) {
        group[0]?.reject(error);
      } else {
        await Promise.all(group.map(runAlone));
      }
    }
    busy -= 1;
    start();
  };

  const start = (): void => {
    scheduled = false;
    while (busy < LANES && queue.length > 0) {
      busy += 1;
      void runGroup(take());
    }
  };

  return (call) =>
    new Promise((resolve, reject) => {
      queue.push({ call, resolve, reject });
      if (scheduled || busy === LANES) return;
      scheduled = true;
      setImmediate(start);
    });
};
