import { hostname, userInfo } from 'node:os';

/** Who writes: stored in key files, locks and snapshots, shown to people, and used to find locks of dead processes. */
export interface Identity {
  readonly hostname: string;
  readonly username: string;
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
}

/** This process. A container's user often has no name: then its number stands for it. */
export function currentIdentity(): Identity {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  return { hostname: hostname(), username: nameOfUser() ?? String(uid), uid, gid, pid: process.pid };
}

function nameOfUser(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}
