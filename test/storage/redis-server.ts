/** A real Redis for tests, if the machine has one. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { inject } from 'vitest';
import { freePort } from '../../src/storage/free-port.ts';

export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

export type RedisServer = {
  readonly url: string;
  readonly pause: () => void;
  readonly resume: () => void;
  readonly stop: () => Promise<void>;
  /** Starts it again at the same address, empty. */
  readonly start: () => Promise<void>;
};

const PASSWORD = 'canary-redis-password';

const launch = async (port: number): Promise<ChildProcess> => {
  const options = { port, bind: '127.0.0.1', save: '', appendonly: 'no', requirepass: PASSWORD };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawn('redis-server', args, {
    cwd: inject('runDirectory'),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk) => String(chunk).includes('Ready to accept connections') && resolve());
    child.once('exit', () => reject(new Error('redis-server ended')));
  });
  return child;
};

export const startRedis = async (): Promise<RedisServer> => {
  const port = await freePort();
  let child = await launch(port);
  return {
    url: `redis://:${PASSWORD}@127.0.0.1:${port}`,
    pause: () => child.kill('SIGSTOP'),
    resume: () => child.kill('SIGCONT'),
    stop: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
    start: async () => {
      child = await launch(port);
    },
  };
};
