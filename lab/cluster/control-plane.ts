import { join } from 'node:path';
import { service, type Component, type ComponentInputs } from './component.ts';
import { kubeconfigOf } from './layout.ts';
import { apiReady, healthPage } from './probes.ts';

/** etcd, the API server and what decides. */
export function controlPlane({ layout, binaries }: ComponentInputs): Component[] {
  const kubelab = binaries.path('kubelab');
  const pki = (file: string): string => join(layout.pki, file);
  const withKubeconfig = (user: string): string => `--kubeconfig=${kubeconfigOf(layout, user)}`;
  return [
    service('etcd', [], healthPage('http://127.0.0.1:2379/health'), [
      kubelab,
      'etcd',
      `--data-dir=${layout.etcd}`,
      '--name=lab',
      '--unsafe-no-fsync',
      '--listen-client-urls=http://127.0.0.1:2379',
      '--advertise-client-urls=http://127.0.0.1:2379',
      '--listen-peer-urls=http://127.0.0.1:2380',
      '--initial-advertise-peer-urls=http://127.0.0.1:2380',
      '--initial-cluster=lab=http://127.0.0.1:2380',
    ]),
    service('kube-apiserver', ['etcd'], apiReady(layout), [
      kubelab,
      'kube-apiserver',
      '--etcd-servers=http://127.0.0.1:2379',
      `--secure-port=${layout.apiPortInside}`,
      '--bind-address=0.0.0.0',
      `--advertise-address=${layout.nodeIp}`,
      `--service-cluster-ip-range=${layout.serviceCidr}`,
      `--tls-cert-file=${pki('apiserver.crt')}`,
      `--tls-private-key-file=${pki('apiserver.key')}`,
      `--client-ca-file=${pki('ca.crt')}`,
      `--kubelet-client-certificate=${pki('apiserver-kubelet-client.crt')}`,
      `--kubelet-client-key=${pki('apiserver-kubelet-client.key')}`,
      `--kubelet-certificate-authority=${pki('ca.crt')}`,
      '--kubelet-preferred-address-types=InternalIP',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${pki('service-accounts.pub')}`,
      `--service-account-signing-key-file=${pki('service-accounts.key')}`,
      '--authorization-mode=Node,RBAC',
      '--enable-admission-plugins=NodeRestriction',
      '--allow-privileged=true',
      `--requestheader-client-ca-file=${pki('ca.crt')}`,
      '--requestheader-allowed-names=front-proxy-client',
      '--requestheader-username-headers=X-Remote-User',
      '--requestheader-group-headers=X-Remote-Group',
      '--requestheader-extra-headers-prefix=X-Remote-Extra-',
      `--proxy-client-cert-file=${pki('front-proxy.crt')}`,
      `--proxy-client-key-file=${pki('front-proxy.key')}`,
    ]),
    service('kube-controller-manager', ['kube-apiserver'], healthPage('https://127.0.0.1:10257/healthz'), [
      kubelab,
      'kube-controller-manager',
      withKubeconfig('kube-controller-manager'),
      '--leader-elect=false',
      `--service-account-private-key-file=${pki('service-accounts.key')}`,
      `--root-ca-file=${pki('ca.crt')}`,
      `--cluster-signing-cert-file=${pki('ca.crt')}`,
      `--cluster-signing-key-file=${pki('ca.key')}`,
      '--use-service-account-credentials=true',
      `--flex-volume-plugin-dir=${join(layout.state, 'flexvolume')}`,
    ]),
    service('kube-scheduler', ['kube-apiserver'], healthPage('https://127.0.0.1:10259/readyz'), [
      kubelab,
      'kube-scheduler',
      withKubeconfig('kube-scheduler'),
      '--leader-elect=false',
    ]),
  ];
}
