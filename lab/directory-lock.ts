/**
 * One lab per directory. The lock is a listening socket in it: unlike a file with a process id it is gone when its
 * holder is, however that ended, and no other process can be mistaken for the holder.
 */
import { rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join, relative } from 'node:path';

const SOCKET_FILE = 'lab.sock';
/** What `sockaddr_un` holds on the systems that Node runs on. */
const MAX_SOCKET_PATH = 103;

/** The directory is another lab's. */
export class DirectoryTaken extends Error {
  override name = 'DirectoryTaken';
}

const listen = (path: string): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen(path, () => resolve(server));
  });

const isHeld = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

/** Takes the directory, which exists, until the returned function is called. @throws DirectoryTaken */
export const lockDirectory = async (directory: string): Promise<() => Promise<void>> => {
  const absolute = join(directory, SOCKET_FILE);
  const near = relative(process.cwd(), absolute);
  const path = near.length < absolute.length ? near : absolute;
  if (path.length > MAX_SOCKET_PATH)
    throw new Error(`the path of ${directory} is too long: set a shorter LAB_DIR`);
  let server: Server;
  try {
    server = await listen(path);
  } catch {
    if (await isHeld(path)) throw new DirectoryTaken(`a lab is already running on ${directory}`);
    // Left by a lab that was killed.
    await rm(path, { force: true });
    server = await listen(path);
  }
  server.unref();
  return () => new Promise((resolve) => server.close(() => resolve()));
};
