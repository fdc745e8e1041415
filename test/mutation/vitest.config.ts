/** The tests of the pure checks: without the database of the other tests, and without those that go on for long. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: [
      'test/identity/*.test.ts',
      'test/access/{check-vote,narrowing*,quorum,request-digest,step-up,who-is-who}.test.ts',
      'test/proof/*.test.ts',
      'test/strict-json*.test.ts',
    ],
    exclude: [
      'test/identity/{fuzz,properties,wycheproof,key-cache,large-key-set,entra-guide,clouds}.test.ts',
    ],
    testTimeout: 30_000,
  },
});
