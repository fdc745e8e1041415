/** Crowds of connections that are a burden on purpose, and good clients who go on beside them. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setInterval as ticks } from 'node:timers/promises';

export type Crowd = {
  /** Reads what was left unread, and resolves with what each received when all are closed. */
  readonly closed: () => Promise<readonly string[]>;
  readonly leave: () => void;
};

/** One connection of a crowd: what it sends at first, what again and again, and whether it reads. */
export type Burden = { readonly opening: string; readonly drip: string; readonly reads: boolean };

const DRIP_INTERVAL_MS = 1_000;
/** Of what is received; the rest is only counted in. */
const KEPT_LENGTH = 100;

/** Opens `size` connections to a port of this machine; all are there when this resolves. */
export const openCrowd = async (port: number, size: number, burden: Burden): Promise<Crowd> => {
  const received = new Map<Socket, string>();
  const join = async (): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    received.set(socket, '');
    await once(socket, 'connect');
    if (burden.reads) read(socket);
    socket.write(burden.opening);
    return socket;
  };
  const read = (socket: Socket): void => {
    socket.on('data', (data) => {
      const known = received.get(socket) ?? '';
      if (known.length < KEPT_LENGTH) received.set(socket, known + data.toString('latin1', 0, KEPT_LENGTH));
    });
  };
  const sockets = await Promise.all(Array.from({ length: size }, join));
  const dripping = setInterval(() => {
    for (const socket of sockets) if (socket.writable && burden.drip !== '') socket.write(burden.drip);
  }, DRIP_INTERVAL_MS);
  return {
    closed: async () => {
      if (!burden.reads) for (const socket of sockets) read(socket);
      await Promise.all(sockets.map((socket) => socket.closed || once(socket, 'close')));
      clearInterval(dripping);
      return [...received.values()];
    },
    leave: () => {
      clearInterval(dripping);
      for (const socket of sockets) socket.destroy();
    },
  };
};

const PACE_MS = 50;

/** Asks at a steady pace, twenty times a second, until `over`; every answer. */
export const askSteadily = async <Answer>(
  over: Promise<unknown>,
  ask: (index: number) => Promise<Answer>,
): Promise<Answer[]> => {
  const asking = new AbortController();
  const end = (): void => asking.abort();
  over.then(end, end);
  const answers: Promise<Answer>[] = [];
  for await (const _ of ticks(PACE_MS)) {
    if (asking.signal.aborted) break;
    answers.push(ask(answers.length));
  }
  await over;
  return Promise.all(answers);
};
