/** A sender that breaks off in the middle of its form. */
import { pino } from 'pino';
import { expect, it, vi } from 'vitest';
import { readForm } from '../../src/http/form.ts';
import { openApplication, openFrontDoor } from '../../src/http/front-door.ts';
import { listen } from '../../src/http/server.ts';
import { sendBytes } from './wire.ts';

const logger = pino({ level: 'silent' });

it('prints nothing, or it could fill a log', async () => {
  const printed: unknown[] = [];
  const print = vi.spyOn(console, 'error').mockImplementation((line) => void printed.push(line));
  const publicUrls = ['https://broker.example'];
  const application = openApplication(openFrontDoor({ publicUrls, trustedProxies: [], logger }));
  const ended = Promise.withResolvers<void>();
  application.use(async ({ req }) => {
    await readForm(req);
    ended.resolve();
  });
  const handler = application.callback();
  const server = await listen({ host: '127.0.0.1', port: 0, setting: 'NONE', logger, handler });
  const lines = ['POST / HTTP/1.1', 'Host: broker.example', 'Transfer-Encoding: chunked'];
  await sendBytes(server.port, `${lines.join('\r\n')}\r\n\r\nno length\r\n`);
  await ended.promise;
  await server.close();
  print.mockRestore();
  expect(printed).toEqual([]);
});
