import { request } from 'node:http';
import Koa from 'koa';
import { expect, it } from 'vitest';
import { serve } from '../../lab/web-server.ts';

it('answers under its own address only', async () => {
  const server = await serve(new Koa(), 0);
  const { hostname, port } = new URL(server.url);
  const status = await new Promise((resolve, reject) => {
    request({ hostname, port, headers: { host: 'attacker.example' } }, (answer) => resolve(answer.statusCode))
      .on('error', reject)
      .end();
  });
  expect(status).toBe(421);
  await server.close();
});
