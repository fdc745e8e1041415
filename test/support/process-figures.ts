/** What the system knows of another process, as `ps` and `ss` show it (Linux). */
import { readFile, writeFile } from 'node:fs/promises';

const statusBytes = async (pid: number, name: string): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1_024;
};

/** How much more memory the process had in use at any moment of `work` than before it, bytes. */
export const growthDuring = async (pid: number, work: () => Promise<void>): Promise<number> => {
  // Forgets the highest amount of before.
  await writeFile(`/proc/${pid}/clear_refs`, '5');
  const before = await statusBytes(pid, 'VmRSS');
  await work();
  return (await statusBytes(pid, 'VmHWM')) - before;
};

const LISTENING = '0A';

/** Connections to an IPv4 `port` of this machine that a process has open; none that only the kernel still knows. */
export const openConnections = async (port: number): Promise<number> => {
  const lines = (await readFile('/proc/net/tcp', 'utf8')).trim().split('\n').slice(1);
  return lines.filter((line) => {
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
    return Number.parseInt(local.split(':')[1] ?? '', 16) === port && state !== LISTENING && inode !== '0';
  }).length;
};
