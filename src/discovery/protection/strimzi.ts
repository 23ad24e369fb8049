import { at, records, text } from '../fields.ts';
import type { ProtectionDetector } from './detector.ts';
import { protectionBy } from './doing.ts';

/** Strimzi's MirrorMaker 2: a second live copy of topics, and no backup. Source: strimzi.io/docs, "KafkaMirrorMaker2". */
export const strimzi: ProtectionDetector = {
  tool: 'strimzi',
  detect: ({ index, assets }) =>
    index.all('KafkaMirrorMaker2.kafka.strimzi.io').flatMap((mirror) => {
      const target = text(at(mirror['spec'], 'connectCluster'));
      const sources = records(at(mirror['spec'], 'clusters')).filter((one) => text(one['alias']) !== target);
      return sources.flatMap((source) => {
        const servers = text(source['bootstrapServers']) ?? '';
        const name = /^([a-z0-9.-]+?)-kafka-(?:external-)?bootstrap/.exec(servers)?.[1];
        const asset = assets.find(
          (one) => one.namespace === mirror.metadata.namespace && one.workload === `kafka/${name ?? ''}`,
        );
        if (asset === undefined) return [];
        const but = {
          trouble: 'incomplete',
          says: 'mirrors it to another cluster, and with it whatever is written by mistake',
          field: 'spec.clusters',
          value: servers,
        } as const;
        return protectionBy({
          tool: 'strimzi',
          object: mirror,
          asset,
          how: 'mirrors it',
          field: 'spec',
          value: '',
          but: [but],
        });
      });
    }),
};
