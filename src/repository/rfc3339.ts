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
  const nanos = Number(((timeNs % NS_PER_S) + NS_PER_S) % NS_PER_S);
  const seconds = clampToDate((timeNs - BigInt(nanos)) / NS_PER_S);
  const day = Math.floor(seconds / SECONDS_PER_DAY);
  const second = seconds - day * SECONDS_PER_DAY;
  const clock = `${twoDigits(second / 3600)}:${twoDigits((second / 60) % 60)}:${twoDigits(second % 60)}`;
  const fraction = nanos === 0 ? '' : `.${String(nanos).padStart(9, '0').replace(/0+$/, '')}`;
  return `${formatDay(day)}T${clock}${fraction}Z`;
}

const SECONDS_PER_DAY = 86_400;

/** The day of the last call: most files of a tree are of the same few days, and a `Date` costs more than all the rest. */
let lastDay = { day: Number.NaN, text: '' };

function formatDay(day: number): string {
  if (lastDay.day === day) return lastDay.text;
  const moment = new Date(day * SECONDS_PER_DAY * 1000);
  const year = moment.getUTCFullYear();
  if (year < 0) moment.setUTCFullYear(0);
  if (year > 9999) moment.setUTCFullYear(9999);
  lastDay = { day, text: moment.toISOString().slice(0, 10) };
  return lastDay.text;
}

function twoDigits(value: number): string {
  const whole = Math.floor(value);
  return whole < 10 ? `0${whole}` : String(whole);
}

/** JavaScript's dates end at about the year 275760; XFS and broken clocks can go beyond. */
function clampToDate(seconds: bigint): number {
  const secondsMax = 8_640_000_000_000n;
  if (seconds > secondsMax) return Number(secondsMax);
  return seconds < -secondsMax ? Number(-secondsMax) : Number(seconds);
}
