#!/usr/bin/env node
import process from 'node:process';

/**
 * Left alone, V8 spends memory to save itself work: a broker under load grows to twice the memory for a few percent of
 * processor time. It sizes its heap at start only, so `serve` starts itself again with these limits, as the same process.
 * Whoever sets NODE_OPTIONS sizes the heap himself; a channel to the parent, which would be lost, is worth more.
 */
const HEAP = ['--max-semi-space-size=16', '--heap-growing-percent=100'];

const { argv, env, execArgv, execPath, execve } = process;
const isSized = env.NODE_OPTIONS !== undefined || HEAP.every((limit) => execArgv.includes(limit));
const mayStartAgain = execve !== undefined && process.platform !== 'win32' && !process.connected;
if (argv.includes('serve') && !isSized && mayStartAgain)
  execve(execPath, [execPath, ...execArgv, ...HEAP, ...argv.slice(1)], env);

await import('../dist/src/main.js');
