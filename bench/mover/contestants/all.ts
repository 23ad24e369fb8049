import type { FoundPeer } from '../peers.ts';
import type { Contestant } from './contestant.ts';
import { kopia } from './kopia.ts';
import { isAtLeast, restic, tunableSince } from './restic.ts';
import { rustic } from './rustic.ts';
import { salvor } from './salvor.ts';

/** Everybody who can take part; `mover` is the path of our program. */
export function availableContestants(mover: string, peers: ReadonlyMap<string, FoundPeer>): Contestant[] {
  const of = (name: string, make: (peer: FoundPeer) => Contestant[]): Contestant[] => {
    const peer = peers.get(name);
    return peer === undefined ? [] : make(peer);
  };
  return [
    salvor({ mover, restic: peers.get('restic')?.path }),
    salvor({ mover, restic: peers.get('restic')?.path }, 'changed-blocks'),
    ...of('restic', ({ path, version }) => [
      restic(path, version, false),
      ...(isAtLeast(version, tunableSince) ? [restic(path, version, true)] : []),
    ]),
    ...of('rustic', ({ path, version }) => [rustic(path, version, false), rustic(path, version, true)]),
    ...of('kopia', ({ path, version }) => [
      kopia(path, version, 'kopia'),
      kopia(path, version, 'kopia-z'),
      kopia(path, version, 'kopia-b'),
    ]),
  ];
}
