/** Finds files of the package that the compiler does not copy, from the sources as from `dist/`. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

const packageRoot = (): string => {
  let directory = import.meta.dirname;
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory);
  return directory;
};

/** The absolute path of a file named from the package's root. */
export const packageFile = (path: string): string => join(packageRoot(), path);
