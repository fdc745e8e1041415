/** What stands before several brokers in a real estate: hands each new connection to the next of them, byte for byte. */
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Starts it on `port`; closing it cuts every connection. */
export const startBalancer = async (
  port: number,
  brokers: readonly number[],
): Promise<{ readonly close: () => Promise<void> }> => {
  const open = new Set<Socket>();
  let next = 0;
  const join = (from: Socket, to: Socket): void => {
    open.add(from);
    from.pipe(to);
    // Whichever side ends or fails, the other one ends too.
    from.on('error', () => to.destroy());
    from.on('close', () => {
      open.delete(from);
      to.destroy();
    });
  };
  const server: Server = createServer((client) => {
    const broker = connect(brokers[next % brokers.length] ?? 0, '127.0.0.1');
    next += 1;
    join(client, broker);
    join(broker, client);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
};
