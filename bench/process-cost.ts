/** What processes have used so far, from /proc: user and system time, and memory. */
import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks per second of /proc on Linux. */
const TICKS_PER_SECOND = 100;

/** Fields of /proc/PID/stat after the command's name: `ppid` is the 2nd, the times the 12th to 15th. */
const statOf = (pid: number): string[] => {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
};

/** CPU milliseconds of a process, all its threads, and of the children it has waited for. */
export const cpuOfProcess = (pid: number): number => {
  const ticks = statOf(pid)
    .slice(11, 15)
    .reduce((sum, field) => sum + Number(field), 0);
  return (ticks * 1000) / TICKS_PER_SECOND;
};

/** CPU milliseconds of a process and everything below it, ended children included. */
export const cpuOfTree = (pid: number): number => {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return Number(statOf(Number(name))[1]) === pid;
      } catch {
        return false;
      }
    });
  return children.reduce((sum, child) => sum + cpuOfTree(Number(child)), cpuOfProcess(pid));
};

/** Resident memory of a process, MiB. */
export const memoryOf = (pid: number): number => {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? Number.NaN) / 1024;
};
