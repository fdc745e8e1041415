/**
 * The policy decision point. Questions of one turn go to the policy's thread as one batch; what comes back is read
 * strictly, so that every answer which is not exactly an answer is a denial. No answer at all (slow, crashed, not
 * loaded) is `PolicyUnavailable`, never a verdict. A batch that fails is asked again one by one in a fresh thread;
 * the question that fails alone is refused for a while, so that nobody can stop policy for everyone by repeating it.
 * A bundle takes over only after it has passed its own cases; until then, and if it does not, the last good stays.
 */
import type { Logger } from 'pino';
import { BundleRefused, ENTRYPOINTS, type PolicyBundle, readBundle } from './bundle.ts';
import type { Decision, PolicyInput } from './decision.ts';
import { type Answer, type Evaluation, startEvaluation } from './evaluation.ts';
import { checkInput, timelessDigest } from './input.ts';
import { selfTest } from './self-test.ts';
import { denial, failedVerdict, REFUSED_INPUT, readVerdict, type Verdict } from './verdict.ts';

/** No verdict could be had: answered as 503, and no token is issued. */
export class PolicyUnavailable extends Error {
  /** When asking again may help, seconds. */
  readonly retryAfterSeconds = 1;

  constructor(message: string) {
    super(message);
    this.name = 'PolicyUnavailable';
  }
}

export type PolicyEngine = {
  /** Revision of the bundle in force; null before the first is loaded. */
  readonly revision: () => string | null;
  /**
   * Puts a bundle in force once it has passed its own cases, and returns its revision. Throws `BundleRefused` if it
   * may not be, and the bundle before it stays in force.
   */
  readonly load: (bundle: Uint8Array) => Promise<string>;
  /** Decides. Throws `PolicyUnavailable` when there is no verdict. */
  readonly decide: (input: PolicyInput) => Promise<Decision>;
  /** Ends the thread; whoever waits gets `PolicyUnavailable`. */
  readonly close: () => Promise<void>;
};

/** Questions in one batch: together a few milliseconds, far from the limit of a batch's own time. */
const BATCH_MAX = 64;
/** Questions waiting: about a tenth of a second's worth. Beyond, the answer is 503 at once. */
const WAITING_MAX = 2048;
/** How long a question that ended its thread is refused, milliseconds. */
const QUARANTINE_MS = 60_000;
/** Questions refused at a time; beyond, the oldest is let go. */
const QUARANTINE_MAX = 1024;

const REFUSED_MESSAGE = 'this question ended the policy thread a moment ago';

type Waiting = {
  readonly input: PolicyInput;
  readonly canonical: string;
  readonly settle: (outcome: { readonly verdict: Verdict; readonly revision: string } | Error) => void;
};

/** A bundle in force, and its thread, if that is running. */
type Program = { readonly bundle: PolicyBundle; evaluation: Evaluation | null };

const verdictOf = (answer: Answer | undefined, input: PolicyInput, { table }: PolicyBundle): Verdict =>
  answer !== undefined && 'failed' in answer
    ? failedVerdict(answer.failed)
    : readVerdict(answer?.result, input, table);

/** Opens the engine without a bundle: `load` gives it one. */
export const openPolicyEngine = ({ logger }: { readonly logger: Logger }): PolicyEngine => {
  let program: Program | null = null;
  let asking = false;
  let closed = false;
  let inHand: Program | null = null;
  let loading: Promise<unknown> = Promise.resolve();
  const queue: Waiting[] = [];
  const quarantine = new Map<string, number>();

  const refuse = (input: PolicyInput): void => {
    const [oldest] = quarantine.keys();
    if (quarantine.size >= QUARANTINE_MAX && oldest !== undefined) quarantine.delete(oldest);
    quarantine.set(timelessDigest(input), performance.now() + QUARANTINE_MS);
  };

  const isRefused = (input: PolicyInput): boolean => {
    if (quarantine.size === 0) return false;
    const digest = timelessDigest(input);
    const until = quarantine.get(digest);
    if (until !== undefined && until <= performance.now()) quarantine.delete(digest);
    return until !== undefined && until > performance.now();
  };

  /** The running thread of a program, a fresh one if the last has ended. Null: it does not start. */
  const threadOf = async (current: Program): Promise<Evaluation | null> => {
    if (current.evaluation !== null && !current.evaluation.hasEnded()) return current.evaluation;
    try {
      current.evaluation = await startEvaluation(current.bundle);
      return current.evaluation;
    } catch (error) {
      logger.error({ err: error }, 'the policy thread does not start');
      return null;
    }
  };

  /** Asks one batch, and returns those whom its thread left without an answer. */
  const ask = async (batch: readonly Waiting[]): Promise<readonly Waiting[]> => {
    const current = program;
    const evaluation = current === null || closed ? null : await threadOf(current);
    if (current === null || evaluation === null) {
      for (const { settle } of batch) settle(new PolicyUnavailable('policy is not running'));
      return [];
    }
    inHand = current;
    const outcome = await evaluation.evaluate(
      ENTRYPOINTS.decision,
      batch.map(({ canonical }) => canonical),
    );
    inHand = null;
    if (program !== current || closed) await evaluation.end();
    if ('failed' in outcome) {
      logger.error(
        { failed: outcome.failed, detail: outcome.detail, questions: batch.length },
        'policy failed',
      );
      return batch;
    }
    for (const [index, { input, settle }] of batch.entries()) {
      settle({
        verdict: verdictOf(outcome.answers[index], input, current.bundle),
        revision: current.bundle.revision,
      });
    }
    return [];
  };

  /** Asks again alone; who ends a thread alone is refused for a while. */
  const askAgain = async (waiting: Waiting): Promise<void> => {
    if (isRefused(waiting.input)) return waiting.settle(new PolicyUnavailable(REFUSED_MESSAGE));
    const [unanswered] = await ask([waiting]);
    if (unanswered === undefined) return;
    if (!closed && program?.evaluation?.hasEnded()) refuse(waiting.input);
    waiting.settle(new PolicyUnavailable('policy gave no answer'));
  };

  const askAll = async (): Promise<void> => {
    while (queue.length > 0) {
      for (const unanswered of await ask(queue.splice(0, BATCH_MAX))) await askAgain(unanswered);
    }
    asking = false;
  };

  const put = (input: PolicyInput, canonical: string): Promise<{ verdict: Verdict; revision: string }> =>
    new Promise((resolve, reject) => {
      const settle: Waiting['settle'] = (outcome) =>
        outcome instanceof Error ? reject(outcome) : resolve(outcome);
      queue.push({ input, canonical, settle });
      if (asking) return;
      asking = true;
      setImmediate(askAll);
    });

  const swap = async (bytes: Uint8Array): Promise<string> => {
    const bundle = await readBundle(bytes);
    if (bundle.revision === program?.bundle.revision) return bundle.revision;
    const evaluation = await startEvaluation(bundle);
    const failures = await selfTest(evaluation, bundle);
    if (failures.length > 0 || closed) {
      await evaluation.end();
      if (closed) throw new PolicyUnavailable('the engine is closed');
      throw new BundleRefused(`it does not pass its own cases: ${failures.slice(0, 5).join('; ')}`);
    }
    const before = program;
    program = { bundle, evaluation };
    quarantine.clear();
    // A thread that is being asked is ended when it has answered.
    if (inHand !== before) await before?.evaluation?.end();
    logger.info({ revision: bundle.revision, cases: bundle.cases.length }, 'policy in force');
    return bundle.revision;
  };

  return {
    revision: () => program?.bundle.revision ?? null,
    load: (bytes) => {
      const loaded = loading.then(() => swap(bytes));
      loading = loaded.catch(() => undefined);
      return loaded;
    },
    decide: async (input) => {
      const current = program;
      if (current === null || closed) throw new PolicyUnavailable('no policy is loaded');
      const checked = checkInput(input);
      const named = (verdict: Verdict, revision: string): Decision => ({
        ...verdict,
        inputDigest: checked.digest,
        bundleRevision: revision,
      });
      if ('refused' in checked) {
        const verdict = denial(REFUSED_INPUT, 'The request is not of a form to decide on.', checked.refused);
        return named(verdict, current.bundle.revision);
      }
      if (isRefused(input)) throw new PolicyUnavailable(REFUSED_MESSAGE);
      if (queue.length >= WAITING_MAX) throw new PolicyUnavailable('too many questions are waiting');
      const { verdict, revision } = await put(input, checked.canonical);
      return named(verdict, revision);
    },
    close: async () => {
      closed = true;
      await loading;
      await program?.evaluation?.end();
    },
  };
};
