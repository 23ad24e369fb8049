import { runChecked } from '../setup/run.ts';
import type { Layout } from './layout.ts';

/** A running lab: what it is, and process 1 of its namespaces as the machine sees it. */
export interface RunningLab {
  readonly layout: Layout;
  readonly initPid: number;
}

/**
 * Joins two running labs, so that each reaches the other's store. Each end of the link is made inside a lab; the link goes
 * away with either of them. Does nothing if they are joined already.
 */
export async function joinLabs(a: RunningLab, b: RunningLab, signal?: AbortSignal): Promise<void> {
  const [linkInA, linkInB] = [linkTo(b), linkTo(a)];
  const [inA, inB] = [await hasLink(a, linkInA, signal), await hasLink(b, linkInB, signal)];
  if (inA && inB) return;
  // One end without the other is from before a restart: the kernel has not taken it down yet.
  if (inA) await ip(a, ['link', 'delete', linkInA], signal);
  if (inB) await ip(b, ['link', 'delete', linkInB], signal);
  const ends = [
    linkInA,
    'netns',
    String(a.initPid),
    'type',
    'veth',
    'peer',
    'name',
    linkInB,
    'netns',
    String(b.initPid),
  ];
  await runChecked(['ip', 'link', 'add', ...ends], { signal });
  await route(a, linkInA, b, signal);
  await route(b, linkInB, a, signal);
}

async function route(from: RunningLab, link: string, to: RunningLab, signal: AbortSignal | undefined): Promise<void> {
  await ip(from, ['address', 'add', from.layout.nodeIp, 'peer', to.layout.nodeIp, 'dev', link], signal);
  await ip(from, ['link', 'set', link, 'up'], signal);
  await ip(from, ['route', 'replace', to.layout.storeSubnet, 'via', to.layout.nodeIp, 'dev', link], signal);
}

async function hasLink(lab: RunningLab, link: string, signal: AbortSignal | undefined): Promise<boolean> {
  const listed = JSON.parse(await ip(lab, ['-json', 'link'], signal)) as { ifname: string }[];
  return listed.some(({ ifname }) => ifname === link);
}

/** ip in the lab's network. */
async function ip(lab: RunningLab, args: readonly string[], signal: AbortSignal | undefined): Promise<string> {
  return runChecked(['nsenter', `--net=/proc/${lab.initPid}/ns/net`, 'ip', ...args], { signal });
}

function linkTo(lab: RunningLab): string {
  return `lab${lab.layout.index}`;
}
