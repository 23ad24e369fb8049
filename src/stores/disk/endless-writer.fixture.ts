import { openDiskStore } from './disk-store.ts';

/**
 * For tests, run as a program with a folder as its argument: writes objects without end, and prints the key of each when
 * its put has resolved. The bytes of `k/NUMBER` are its number, over and over.
 */
const store = await openDiskStore(process.argv[2] ?? '');
for (let number = Number(process.argv[3]); ; number++) {
  const key = `k/${number}`;
  await store.put(key, objectOf(number), { ifAbsent: number % 2 === 0 });
  process.stdout.write(`${key}\n`);
}

function objectOf(number: number): Buffer {
  return Buffer.alloc(1024 * 1024, `${number} `);
}
