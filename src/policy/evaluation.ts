/**
 * One thread of policy, seen from outside: started with a bundle, asked in batches, ended when it takes too long.
 * The limit is on the thread's own processor time, so that a busy machine does not turn a good question into a
 * refused one; a longer limit on the clock ends a thread that gets no time at all.
 */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { BundleRefused, ENTRYPOINTS, type Entrypoint, type PolicyBundle } from './bundle.ts';

/** Where the thread notes which batch it began, and at how much processor time; shared memory. */
type Progress = { readonly batch: Int32Array; readonly cpuMicroseconds: Float64Array };

/** What a thread is started with. */
export type Program = {
  readonly module: WebAssembly.Module;
  readonly data: ArrayBuffer;
  readonly entrypoints: readonly string[];
  readonly progress: Progress;
};
/** The thread's first message. */
export type Started = { readonly started: true } | { readonly refused: string };
/** One batch: inputs as JSON text. It is answered by one string, the JSON of as many answers in the same order. */
export type Question = {
  readonly number: number;
  readonly entrypoint: Entrypoint;
  readonly inputs: readonly string[];
};
/** OPA's result set, not yet checked in any way; or what the policy threw. */
export type Answer = { readonly result: unknown } | { readonly failed: string };

/** What came of a batch; a thread that failed has ended and answers nothing more. */
export type BatchOutcome =
  | { readonly answers: readonly Answer[] }
  | { readonly failed: 'slow' | 'crashed'; readonly detail: string };

export type Evaluation = {
  /** Evaluates one batch; the caller waits for it before it asks the next. */
  readonly evaluate: (entrypoint: Entrypoint, inputs: readonly string[]) => Promise<BatchOutcome>;
  /** Whether the thread is gone, by a failure or by `end`. */
  readonly hasEnded: () => boolean;
  readonly end: () => Promise<void>;
};

/** Processor time that a batch may take, milliseconds: a thousand times what one evaluation takes. */
const OWN_TIME_LIMIT_MS = 100;
/** Time on the clock that a batch may take, milliseconds, however busy the machine is. */
const CLOCK_LIMIT_MS = 1000;
/** Time on the clock that a start may take, milliseconds: loading 10,000 rules takes a quarter of a second. */
const START_LIMIT_MS = 10_000;

/** JavaScript heap of the thread, MiB, a little of it for what lives for a batch; the module's own memory is apart. */
const HEAP_LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 6 };

// The thread's file lies beside this one, as TypeScript in the source tree and as JavaScript once built.
const THREAD = new URL(`./evaluation-thread${extname(import.meta.url)}`, import.meta.url);

const compile = (wasm: Uint8Array): Promise<WebAssembly.Module> =>
  WebAssembly.compile(new Uint8Array(wasm)).catch((error: unknown) => {
    throw new BundleRefused(`its module is not WebAssembly: ${error instanceof Error ? error.message : ''}`);
  });

const firstMessage = (worker: Worker): Promise<Started> =>
  new Promise((resolve) => {
    const settle = (started: Started): void => {
      clearTimeout(limit);
      resolve(started);
    };
    const limit = setTimeout(
      () => settle({ refused: `its module took more than ${START_LIMIT_MS} ms to start` }),
      START_LIMIT_MS,
    );
    worker.once('message', settle);
    worker.once('error', (error) => settle({ refused: `its module does not start: ${String(error)}` }));
    worker.once('exit', () => settle({ refused: 'its thread ended at once' }));
  });

/** Whether the batch in hand has used up its time; asks again later as long as it has not. */
const watch = (worker: Worker, { batch, cpuMicroseconds }: Progress, number: number, onSlow: () => void) => {
  const begun = performance.now();
  let timer = setTimeout(check, OWN_TIME_LIMIT_MS);
  let watching = true;
  async function check(): Promise<void> {
    const { user, system } = await worker.cpuUsage().catch(() => ({ user: 0, system: 0 }));
    if (!watching) return;
    const running = Atomics.load(batch, 0) === number;
    const own = running ? (user + system - (cpuMicroseconds[0] ?? 0)) / 1000 : 0;
    if (own >= OWN_TIME_LIMIT_MS || performance.now() - begun >= CLOCK_LIMIT_MS) onSlow();
    else timer = setTimeout(check, Math.max(OWN_TIME_LIMIT_MS - own, 5));
  }
  return (): void => {
    watching = false;
    clearTimeout(timer);
  };
};

/** Starts a thread on a bundle. Throws `BundleRefused` if the module is not one that may run. */
export const startEvaluation = async (bundle: PolicyBundle): Promise<Evaluation> => {
  const progress: Progress = {
    batch: new Int32Array(new SharedArrayBuffer(4)),
    cpuMicroseconds: new Float64Array(new SharedArrayBuffer(8)),
  };
  const program: Program = {
    module: await compile(bundle.wasm),
    data: new Uint8Array(bundle.data).buffer,
    entrypoints: Object.values(ENTRYPOINTS),
    progress,
  };
  const worker = new Worker(THREAD, {
    workerData: program,
    env: {},
    name: 'policy',
    resourceLimits: HEAP_LIMITS,
  });
  let settle: ((outcome: BatchOutcome) => void) | null = null;
  let ended: BatchOutcome | null = null;
  let number = 0;

  const end = async (outcome: BatchOutcome): Promise<void> => {
    ended ??= outcome;
    settle?.(outcome);
    await worker.terminate();
  };
  worker.on('error', (error) => void end({ failed: 'crashed', detail: String(error) }));
  worker.on('exit', () => void end({ failed: 'crashed', detail: 'the thread has ended' }));

  const started = await firstMessage(worker);
  if ('refused' in started) {
    await worker.terminate();
    throw new BundleRefused(started.refused);
  }
  worker.on('message', (answers: string) => settle?.({ answers: JSON.parse(answers) }));

  return {
    evaluate: (entrypoint, inputs) =>
      new Promise((resolve) => {
        if (ended !== null) return resolve(ended);
        number += 1;
        const question: Question = { number, entrypoint, inputs };
        const unwatch = watch(worker, progress, number, () =>
          end({ failed: 'slow', detail: `more than ${OWN_TIME_LIMIT_MS} ms of its own time` }),
        );
        settle = (outcome) => {
          unwatch();
          settle = null;
          resolve(outcome);
        };
        worker.postMessage(question);
      }),
    hasEnded: () => ended !== null,
    end: () => end({ failed: 'crashed', detail: 'the thread was ended' }),
  };
};
