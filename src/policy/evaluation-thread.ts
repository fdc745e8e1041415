/**
 * The thread in which policy runs, and nothing else: an evaluation cannot be interrupted from within, so it is put
 * where it can be ended from outside. It reads no clock, opens nothing, and answers what it is asked.
 *
 * An error of the policy itself (a conflict of rules) is an answer. An error of the machine that runs it (memory,
 * stack) is left uncaught: it ends the thread, whose memory can no longer be trusted.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { type LoadedPolicy, loadPolicy } from '@open-policy-agent/opa-wasm';
import type { Answer, Program, Question, Started } from './evaluation.ts';

/** OPA's only version of the interface between host and module (its WebAssembly ABI). */
const ABI_VERSION = 1;
const ABI_MINOR_VERSION_MIN = 2;
/** WebAssembly pages are 64 KiB: 4 MiB at first, 64 MiB at most. 10,000 rules take 43 MiB. */
const MEMORY = { initial: 64, maximum: 1024 };
/** A fresh instance gives back the memory that the largest evaluation took. */
const EVALUATIONS_PER_INSTANCE = 10_000;
/** How OPA's allocator says that the memory is used up. */
const OUT_OF_MEMORY = 'opa_malloc';

const { module, data, entrypoints, progress } = workerData as Program;

const versionOf = (instance: WebAssembly.Instance, name: string): unknown => {
  const version = instance.exports[name];
  return version instanceof WebAssembly.Global ? version.value : undefined;
};

/** The JSON at an address of the module's memory, NUL-terminated as OPA writes it. */
const readText = (memory: WebAssembly.Memory, address: number): string => {
  const bytes = new Uint8Array(memory.buffer, address);
  return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
};

/** Why this module is not one to run; null if it is. */
const refusalOf = (policy: LoadedPolicy): string | null => {
  const { wasmInstance: instance, mem } = policy;
  if (!(instance instanceof WebAssembly.Instance)) return 'its module has no instance';
  const abi = versionOf(instance, 'opa_wasm_abi_version');
  const minor = versionOf(instance, 'opa_wasm_abi_minor_version');
  if (abi !== ABI_VERSION || typeof minor !== 'number' || minor < ABI_MINOR_VERSION_MIN) {
    return `its module speaks ABI ${String(abi)}.${String(minor)}, not ${ABI_VERSION}.${ABI_MINOR_VERSION_MIN}`;
  }
  const missing = entrypoints.find((name) => !Object.hasOwn(policy.entrypoints, name));
  if (missing !== undefined) return `its module has no entrypoint ${missing}`;
  const { builtins, opa_json_dump: dump } = instance.exports;
  if (typeof builtins !== 'function' || typeof dump !== 'function') return 'its module is not of OPA';
  const needed = Object.keys(JSON.parse(readText(mem, dump(builtins()))));
  return needed.length > 0 ? `its module calls functions of its host: ${needed.join(', ')}` : null;
};

const instantiate = async (): Promise<LoadedPolicy> => {
  const policy = await loadPolicy(module, MEMORY);
  policy.setData(data);
  return policy;
};

const start = async (): Promise<LoadedPolicy | null> => {
  const report = (message: Started): void => parentPort?.postMessage(message);
  try {
    const policy = await instantiate();
    const refused = refusalOf(policy);
    report(refused === null ? { started: true } : { refused });
    return refused === null ? policy : null;
  } catch (error) {
    report({
      refused: `its module does not start: ${error instanceof Error ? error.message : String(error)}`,
    });
    return null;
  }
};

const encoder = new TextEncoder();

/** One evaluation. What the policy throws is never an Error: a string of OPA's, or the object of a missing function. */
const evaluate = (policy: LoadedPolicy, entrypoint: string, input: string): Answer => {
  try {
    return { result: policy.evaluate(encoder.encode(input).buffer, entrypoint) };
  } catch (error) {
    if (error instanceof Error) throw error;
    const message = typeof error === 'string' ? error : JSON.stringify(error);
    if (message.startsWith(OUT_OF_MEMORY)) throw new Error(message);
    return { failed: message };
  }
};

let policy = await start();
let evaluations = 0;

parentPort?.on('message', async ({ number, entrypoint, inputs }: Question) => {
  if (policy === null) return;
  const { user, system } = process.threadCpuUsage();
  progress.cpuMicroseconds[0] = user + system;
  Atomics.store(progress.batch, 0, number);
  const running = policy;
  const answers = inputs.map((input) => evaluate(running, entrypoint, input));
  parentPort?.postMessage(JSON.stringify(answers));
  evaluations += inputs.length;
  if (evaluations < EVALUATIONS_PER_INSTANCE) return;
  evaluations = 0;
  policy = await instantiate();
});
