/** A configuration that is valid, for tests that each change one thing. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inject } from 'vitest';
import type { Environment } from '../src/config.ts';

export const TENANT = '6b1f4f0e-6b0d-4c1b-9f57-3f3d1f2a9c11';
export const CLIENT = '0d0a3c52-5f0b-4f6e-8a7e-2a5f0b7f2d10';
export const KEY = randomBytes(32).toString('base64');

/** Writes a file of this test run and returns its path. */
export const fileWith = async (text: string): Promise<string> => {
  const path = join(await mkdtemp(join(inject('runDirectory'), 'config-')), 'file');
  await writeFile(path, text);
  return path;
};

/** The settings that must be there, and none besides. */
export const validEnvironment = async (): Promise<Environment> => ({
  COUNTERSIGN_URL: 'https://countersign.example',
  COUNTERSIGN_DATABASE: 'postgres://countersign:canary@db.example/countersign',
  COUNTERSIGN_ENTRA: await fileWith(`- { tenant: ${TENANT}, audiences: [${CLIENT}] }`),
  COUNTERSIGN_KEY_ENCRYPTION_KEY: KEY,
});
