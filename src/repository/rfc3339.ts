import { corrupt } from './corrupt.ts';

const NS_PER_S = 1_000_000_000n;

const pattern = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9})\d*)?(?:Z|([+-])(\d{2}):(\d{2}))$/;

/** Nanoseconds since the epoch of a time as Go writes it; finer digits are dropped. */
export function parseTimeNs(text: string, what: string): bigint {
  const match = pattern.exec(text);
  if (match === null) throw corrupt(`The field ${what} is not a time: ${JSON.stringify(text.slice(0, 60))}`);
  const part = (index: number): number => Number(match[index] ?? 0);
  const moment = new Date(0);
  // Unlike Date.UTC this takes the years 0 to 99 as they are.
  moment.setUTCFullYear(part(1), part(2) - 1, part(3));
  moment.setUTCHours(part(4), part(5), part(6));
  const isDate = moment.getUTCMonth() === part(2) - 1 && moment.getUTCDate() === part(3);
  if (!isDate || part(4) > 23 || part(5) > 59 || part(6) > 59) {
    throw corrupt(`The field ${what} is not a time: ${text}`);
  }
  const offsetMs = (match[8] === '-' ? -1 : 1) * (part(9) * 60 + part(10)) * 60_000;
  return BigInt(moment.getTime() - offsetMs) * 1_000_000n + BigInt((match[7] ?? '').padEnd(9, '0'));
}

/** As Go's RFC3339Nano in UTC: no trailing zeros. Years outside 0 to 9999 are moved to the nearer end, as restic does. */
export function formatTimeNs(timeNs: bigint): string {
  const nanos = ((timeNs % NS_PER_S) + NS_PER_S) % NS_PER_S;
  const moment = new Date(clampToDate((timeNs - nanos) / NS_PER_S) * 1000);
  const year = moment.getUTCFullYear();
  if (year < 0) moment.setUTCFullYear(0);
  if (year > 9999) moment.setUTCFullYear(9999);
  const seconds = moment.toISOString().slice(0, 19);
  const fraction = nanos.toString().padStart(9, '0').replace(/0+$/, '');
  return `${seconds}${fraction === '' ? '' : `.${fraction}`}Z`;
}

/** JavaScript's dates end at about the year 275760; XFS and broken clocks can go beyond. */
function clampToDate(seconds: bigint): number {
  const secondsMax = 8_640_000_000_000n;
  if (seconds > secondsMax) return Number(secondsMax);
  return seconds < -secondsMax ? Number(-secondsMax) : Number(seconds);
}
