/** Looks before the lab leaps: all its ports at once, so that a start either has them or changes nothing. */
import { createServer } from 'node:net';
import type { LabSettings, Ports } from './settings.ts';

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });

/** Which of the lab's ports are taken, as `8400 (broker)`. */
export const takenPorts = async (ports: Ports, { brokerUrl }: LabSettings): Promise<string[]> => {
  const wanted: (readonly [string, number])[] = [
    ...(brokerUrl === null
      ? [['broker', ports.broker] as const, ['operations', ports.operations] as const]
      : []),
    ['Entra', ports.entra],
    ['demo page', ports.demo],
    ...Object.entries(ports.apis).map(([name, port]) => [`${name} API`, port] as const),
    ...ports.agents,
  ];
  const checked = await Promise.all(
    wanted.map(async ([name, port]) => ({ name, port, free: await isFree(port) })),
  );
  return checked.filter(({ free }) => !free).map(({ name, port }) => `${port} (${name})`);
};
