import { isCounted } from './report.ts';
import type { AssetReport, ScanReport } from './report.ts';

/** One policy per application with something at risk, as objects to review, change and apply. */
export interface ProposedPolicy {
  readonly apiVersion: 'salvor.dev/v1alpha1';
  readonly kind: 'ProtectionPolicy';
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly applications: { readonly namespaces: readonly string[] };
    readonly assets: readonly {
      readonly kind: string;
      readonly namespace: string;
      readonly name: string;
      readonly because: string;
    }[];
    readonly schedule: string;
    readonly retention: Readonly<Record<string, number>>;
  };
}

/** Nothing that was found says how much may be lost: daily is what most start with. */
const daily = '@daily';
const retention = { daily: 7, weekly: 4, monthly: 6 };

/** Policies for what nothing protects, unknown assets included: an owner who knows better removes them. */
export function proposePolicies(report: ScanReport): ProposedPolicy[] {
  return report.applications.flatMap(({ name, namespaces }) => {
    const assets = report.assets.filter(
      (asset) =>
        isCounted(asset) &&
        namespaces.includes(asset.namespace) &&
        (asset.standing === 'at risk' || asset.standing === 'unknown'),
    );
    const [first] = assets;
    if (first === undefined) return [];
    return [
      {
        apiVersion: 'salvor.dev/v1alpha1',
        kind: 'ProtectionPolicy',
        metadata: {
          name: name.replaceAll('+', '-'),
          namespace: first.namespace,
          annotations: { 'salvor.dev/proposed-by': 'salvor scan' },
        },
        spec: { applications: { namespaces }, assets: assets.map(proposed), schedule: daily, retention },
      },
    ];
  });
}

function proposed({ kind, namespace, name, judgement }: AssetReport): ProposedPolicy['spec']['assets'][number] {
  return { kind, namespace, name, because: `${judgement.verdict}: ${judgement.reason}` };
}
