/**
 * Rounds of load, the floor and the exchange in turn, so that a busy machine is unkind to both alike. What is told is
 * the median of the rounds; a ratio is made within a round, of two neighbours in time.
 */
import { askedBy } from './estate.ts';
import { type Call, quantile, runLoad } from './load.ts';
import { cpuOfProcess, cpuOfTree, memoryOf } from './process-cost.ts';
import type { Prove } from './proofs.ts';
import type { MeasuredServer } from './servers.ts';
import type { Surroundings } from './surroundings.ts';

const MEMORY_SAMPLE_MS = 100;

export type Plan = {
  readonly connections: number;
  readonly rounds: number;
  /** Requests of each round, of each kind. */
  readonly perRound: number;
};

/** Milliseconds of CPU are per request, latencies as clients saw them. */
export type Figures = Plan & {
  readonly baseline: { readonly cpu: number; readonly perSecond: number };
  readonly exchange: ExchangeFigures;
  /** The same with a proof of possession in each exchange; null if that was not asked for. */
  readonly proven: ExchangeFigures | null;
};

export type ExchangeFigures = {
  readonly cpu: number;
  readonly postgresCpu: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** Largest resident memory seen under load, MiB. */
  readonly memory: number;
  /** CPU of an exchange against that of the floor. */
  readonly ratio: number;
};

const BASELINE: Call = {
  form: new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: 'bench',
    client_secret: 'bench',
    scope: 'articles.read',
  }).toString(),
  proof: null,
};

/** Every exchange of a run is new: the next index goes on where the last load ended. */
export const openExchanges = ({ assertions }: Pick<Surroundings, 'assertions'>) => {
  let sent = 0;
  const call = (index: number, prove: Prove | null): Call => {
    const { agent, audience, scope } = askedBy(index);
    const form = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      subject_token: assertions[agent] ?? '',
      audience,
      scope,
      request_id: `bench-${index}`,
    }).toString();
    return { form, proof: prove === null ? null : prove(agent) };
  };
  /** The next `count` exchanges, written and signed before the load so that it costs the load nothing. */
  const next = (count: number, prove: Prove | null): Call[] => {
    const calls = Array.from({ length: count }, (_, index) => call(sent + index, prove));
    sent += count;
    return calls;
  };
  return { next, sent: () => sent };
};

export type Exchanges = ReturnType<typeof openExchanges>;

const median = (values: readonly number[]): number => quantile(values, 0.5);

const loadBaseline = async ({ pid, tokenUrl }: MeasuredServer, connections: number, count: number) => {
  const before = cpuOfProcess(pid);
  const load = await runLoad({ url: tokenUrl, connections, count, call: () => BASELINE });
  return { cpu: (cpuOfProcess(pid) - before) / count, perSecond: count / load.seconds };
};

const loadExchange = async (
  { surroundings: { broker, postgresPid }, exchanges, prove }: Subjects,
  connections: number,
  count: number,
) => {
  const calls = exchanges.next(count, prove);
  let memory = 0;
  const sampling = setInterval(() => {
    memory = Math.max(memory, memoryOf(broker.pid));
  }, MEMORY_SAMPLE_MS);
  const before = cpuOfProcess(broker.pid);
  const postgresBefore = cpuOfTree(postgresPid);
  try {
    const load = await runLoad({
      url: broker.tokenUrl,
      connections,
      count,
      call: (index) => calls[index] ?? BASELINE,
    });
    return {
      cpu: (cpuOfProcess(broker.pid) - before) / count,
      postgresCpu: (cpuOfTree(postgresPid) - postgresBefore) / count,
      perSecond: count / load.seconds,
      p50: load.p50,
      p99: load.p99,
      memory: Math.max(memory, memoryOf(broker.pid)),
    };
  } finally {
    clearInterval(sampling);
  }
};

type Subjects = {
  readonly baseline: MeasuredServer;
  readonly surroundings: Surroundings;
  readonly exchanges: Exchanges;
  /** Null: exchanges go without proofs alone. */
  readonly prove: Prove | null;
};

/** Brings both servers to speed; nothing of it is counted. */
export const warmUp = async (subjects: Subjects, count: number, connections: number): Promise<void> => {
  await loadBaseline(subjects.baseline, connections, count);
  await loadExchange({ ...subjects, prove: null }, connections, count);
  if (subjects.prove !== null) await loadExchange(subjects, connections, count);
};

type Measured = Awaited<ReturnType<typeof loadExchange>>;

const figuresOf = (measured: readonly Measured[], floors: readonly { cpu: number }[]): ExchangeFigures => ({
  cpu: median(measured.map(({ cpu }) => cpu)),
  postgresCpu: median(measured.map(({ postgresCpu }) => postgresCpu)),
  perSecond: median(measured.map(({ perSecond }) => perSecond)),
  p50: median(measured.map(({ p50 }) => p50)),
  p99: median(measured.map(({ p99 }) => p99)),
  memory: Math.max(...measured.map(({ memory }) => memory)),
  ratio: median(measured.map(({ cpu }, round) => cpu / (floors[round]?.cpu ?? Number.NaN))),
});

export const measureRounds = async (subjects: Subjects, plan: Plan): Promise<Figures> => {
  const { connections, rounds, perRound } = plan;
  const floors: Awaited<ReturnType<typeof loadBaseline>>[] = [];
  const measured: Measured[] = [];
  const proven: Measured[] = [];
  for (let round = 0; round < rounds; round += 1) {
    floors.push(await loadBaseline(subjects.baseline, connections, perRound));
    measured.push(await loadExchange({ ...subjects, prove: null }, connections, perRound));
    if (subjects.prove !== null) proven.push(await loadExchange(subjects, connections, perRound));
  }
  return {
    ...plan,
    baseline: {
      cpu: median(floors.map(({ cpu }) => cpu)),
      perSecond: median(floors.map(({ perSecond }) => perSecond)),
    },
    exchange: figuresOf(measured, floors),
    proven: subjects.prove === null ? null : figuresOf(proven, floors),
  };
};
