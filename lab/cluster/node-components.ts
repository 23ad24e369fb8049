import { join } from 'node:path';
import { condition, service, type Component, type ComponentInputs } from './component.ts';
import { kubeconfigOf } from './layout.ts';
import { healthPage, nodeReady, socketOpen } from './probes.ts';

/** What makes the lab a node: it runs pods and lets them find each other. */
export function nodeComponents({ layout, binaries }: ComponentInputs): Component[] {
  const kubelab = binaries.path('kubelab');
  return [
    service('containerd', [], socketOpen(layout.containerdSocket), [
      binaries.path('containerd'),
      '--config',
      join(layout.config, 'containerd.toml'),
    ]),
    service('kubelet', ['kube-apiserver', 'containerd'], healthPage('http://127.0.0.1:10248/healthz'), [
      kubelab,
      'kubelet',
      `--config=${join(layout.config, 'kubelet.json')}`,
      `--kubeconfig=${kubeconfigOf(layout, 'kubelet')}`,
      `--hostname-override=${layout.nodeName}`,
      `--node-ip=${layout.nodeIp}`,
    ]),
    service('kube-proxy', ['kube-apiserver'], healthPage('http://127.0.0.1:10256/livez'), [
      kubelab,
      'kube-proxy',
      `--kubeconfig=${kubeconfigOf(layout, 'kube-proxy')}`,
      `--hostname-override=${layout.nodeName}`,
      `--cluster-cidr=${layout.podCidr}`,
      '--proxy-mode=iptables',
      '--healthz-bind-address=127.0.0.1:10256',
      // These limits belong to the machine's kernel: leave them alone.
      '--conntrack-max-per-core=0',
      '--conntrack-min=0',
      '--conntrack-tcp-timeout-established=0',
      '--conntrack-tcp-timeout-close-wait=0',
    ]),
    service('coredns', ['kube-apiserver'], healthPage('http://127.0.0.1:8181/ready'), [
      binaries.path('coredns'),
      '-conf',
      join(layout.config, 'Corefile'),
    ]),
    condition('node', ['kubelet'], nodeReady(layout)),
  ];
}
