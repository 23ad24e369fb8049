import { readdirSync } from 'node:fs';
import { arch, setPriority } from 'node:os';
import { checked, errnoError, libc } from './libc.ts';

/** How much a process leaves to others. */
export interface Priorities {
  /** As nice(1), 0 to 19. */
  readonly nice?: number | undefined;
  /** As ionice(1): the last level of the best-effort class, or the idle class. */
  readonly ioPriority?: 'low' | 'idle' | undefined;
}

/** ioprio_set(2) has no wrapper in C libraries. */
const ioprioSet: Readonly<Record<string, number>> = { x64: 251, arm64: 30, s390x: 282, ppc64: 273, riscv64: 30 };
const IOPRIO_WHO_PROCESS = 1;
const CLASS_SHIFT = 13;
const values = { low: (2 << CLASS_SHIFT) | 7, idle: 3 << CLASS_SHIFT } as const;

/**
 * Sets them for every thread of this process; threads that are made later inherit them. Lowering needs no right. Linux keeps
 * both per thread: sched(7), ioprio_set(2).
 */
export function setPriorities({ nice, ioPriority }: Priorities): void {
  for (const thread of readdirSync('/proc/self/task').map(Number)) {
    if (nice !== undefined) setPriority(thread, nice);
    if (ioPriority !== undefined) setIoPriority(thread, values[ioPriority]);
  }
}

function setIoPriority(thread: number, value: number): void {
  const call = ioprioSet[arch()];
  if (call === undefined) throw errnoError('ENOSYS', `ioprio_set is not known on ${arch()}`);
  checked(libc().syscall(call, IOPRIO_WHO_PROCESS, thread, value), 'ioprio_set');
}
