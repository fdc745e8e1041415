/** What the system knows of another process, as `ps` and `ss` show it (Linux). */
import { readFile } from 'node:fs/promises';

/** Memory that the process has in use, bytes. */
export const residentBytes = async (pid: number): Promise<number> => {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1_024;
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
