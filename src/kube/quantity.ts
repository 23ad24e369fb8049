const factors: Readonly<Record<string, number>> = {
  '': 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** A Kubernetes quantity (`1Gi`, `500M`, `1e9`) as a number, rounded up; 0 for what is not one. */
export function parseQuantity(text: string): number {
  const match = /^([0-9.]+(?:[eE][+-]?[0-9]+)?)([A-Za-z]{0,2})$/.exec(text);
  const factor = factors[match?.[2] ?? ''];
  const value = Number(match?.[1]) * (factor ?? Number.NaN);
  return Number.isFinite(value) ? Math.ceil(value) : 0;
}
