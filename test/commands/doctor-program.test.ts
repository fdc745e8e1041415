/** The doctor as a person runs it: the built program, a token on its standard input, sentences on its output. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startWorld, type TestWorld } from '../support/broker.ts';
import { checkPromises } from '../support/promises.ts';

const PROGRAM = join(import.meta.dirname, '..', '..', 'bin', 'countersign.js');

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  await checkPromises(world.database);
  await world.stop();
});

const run = async (args: readonly string[], pasted = '') => {
  const env = { ...world.settings, LOG_LEVEL: 'debug' };
  const child = spawn(process.execPath, [PROGRAM, 'doctor', ...args], { env });
  child.stdin.on('error', () => undefined).end(pasted);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  return { code, stdout, stderr };
};

it('reads a token from standard input, and tells in sentences what is right', async () => {
  const token = await world.assertion('support-agent');
  const { code, stdout, stderr } = await run(['--token', '-'], token);
  expect(stdout).toMatch(/^ok {7}configuration every setting is usable$/m);
  expect(stdout).toMatch(/^ok {7}token {9}the assertion is good: version 2\.0/m);
  expect(stdout).toMatch(/^ok {7}agent {9}the workload is the agent support-agent, which is enabled$/m);
  expect(stdout).toMatch(/no problem found\n$/);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  for (const part of token.split('.')) expect(stdout).not.toContain(part);
});

it('tells under each problem what to do, counts them, and ends with 1', async () => {
  const token = await world.assertion('support-agent', { claims: { idtyp: undefined } });
  const { code, stdout } = await run(['--token', '-'], token);
  expect(stdout).toMatch(/^problem {2}token {9}the optional claim idtyp is missing\n {23}-> Add it to/m);
  expect(stdout).toMatch(/2 problems found\n$/);
  expect(code).toBe(1);
});

it('takes no token as an argument, and does not repeat it', async () => {
  const token = await world.assertion('support-agent');
  for (const args of [[token], ['--token', token], ['--nonsense']]) {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('Usage: countersign doctor');
    expect(stderr).not.toContain(token.slice(0, 20));
  }
});
