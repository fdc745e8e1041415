/**
 * The tar.gz of a bundle, both ways. What is read is a stranger's archive: capped before it is unpacked, plain files
 * only, each name once, no folders to climb. What is written is the same bytes for the same files.
 */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { extract, pack } from 'tar-stream';

/** Largest bundle as stored, bytes: 10,000 rules are a tenth of it. */
export const BUNDLE_MAX_BYTES = 8 * 1024 * 1024;
/** Largest bundle unpacked, bytes: what gzip may make of it. */
const UNPACKED_MAX_BYTES = 64 * 1024 * 1024;
const FILES_MAX = 16;

/** RFC 1952 section 2.3.1: the byte that names the operating system; 255 is "unknown", the same on all of them. */
const GZIP_SYSTEM_BYTE = 9;
const GZIP_SYSTEM_UNKNOWN = 255;

/** File name -> content. Names are plain: no folders. */
export type BundleFiles = ReadonlyMap<string, Uint8Array>;

/** Says why an archive is not one that a bundle can be read from. */
export class ArchiveRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ArchiveRefused';
  }
}

const plainName = (name: string): string => {
  const plain = name.replace(/^\.?\//, '');
  if (!/^[.a-z][a-z0-9.-]{0,63}$/.test(plain) || plain === '..') {
    throw new ArchiveRefused(`it holds a file that no bundle has: ${JSON.stringify(name.slice(0, 100))}`);
  }
  return plain;
};

// The stream's chunks are bytes; its types do not say so.
const collect = async (stream: AsyncIterable<unknown>): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
};

/** Unpacks a bundle. Throws `ArchiveRefused`. */
export const readArchive = async (archive: Uint8Array): Promise<BundleFiles> => {
  if (archive.byteLength > BUNDLE_MAX_BYTES) {
    throw new ArchiveRefused(`it is larger than ${BUNDLE_MAX_BYTES} bytes`);
  }
  const tar = await promisify(gunzip)(archive, { maxOutputLength: UNPACKED_MAX_BYTES }).catch((error) => {
    throw new ArchiveRefused(`it cannot be unpacked: ${error.message}`);
  });
  const files = new Map<string, Uint8Array>();
  const entries = extract();
  entries.end(tar);
  try {
    for await (const entry of entries) {
      const content = await collect(entry);
      const name = plainName(entry.header.name);
      if (entry.header.type !== 'file') throw new ArchiveRefused(`${name} is not a plain file`);
      if (files.has(name)) throw new ArchiveRefused(`it holds ${name} twice`);
      if (files.size === FILES_MAX) throw new ArchiveRefused(`it holds more than ${FILES_MAX} files`);
      files.set(name, content);
    }
  } catch (error) {
    if (error instanceof ArchiveRefused) throw error;
    throw new ArchiveRefused(`it is not a tar archive: ${error instanceof Error ? error.message : 'broken'}`);
  }
  return files;
};

/** Packs files in the order of their names, with no trace of when, where or by whom. */
export const writeArchive = async (files: BundleFiles): Promise<Uint8Array> => {
  const tar = pack();
  for (const [name, content] of [...files].sort(([left], [right]) => (left < right ? -1 : 1))) {
    tar.entry({ name: `/${name}`, size: content.byteLength, mode: 0o644, mtime: new Date(0) }, content);
  }
  tar.finalize();
  const archive = await promisify(gzip)(await collect(tar), { level: 9 });
  archive[GZIP_SYSTEM_BYTE] = GZIP_SYSTEM_UNKNOWN;
  return archive;
};
