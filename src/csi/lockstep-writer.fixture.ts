/**
 * Writes 1, 2, 3, ... as lines to a file in every folder given, one folder after the other, each number synced in one
 * folder before it is written in the next, and told on standard output when it is synced in all.
 */
import { fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const files = process.argv.slice(2).map((folder) => openSync(join(folder, 'numbers'), 'a'));
for (let number = 1; ; number++) {
  for (const file of files) {
    writeSync(file, `${number}\n`);
    fsyncSync(file);
  }
  writeSync(1, `${number}\n`);
}
