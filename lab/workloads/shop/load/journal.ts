import { closeSync, createReadStream, openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** An operation that the shop has acknowledged. `at` is the moment after the acknowledgement, milliseconds since the epoch. */
export type Acknowledged =
  | { readonly at: number; readonly kind: 'order'; readonly id: string; readonly amountCents: number }
  | { readonly at: number; readonly kind: 'refund'; readonly id: string; readonly amountCents: number }
  | { readonly at: number; readonly kind: 'credit'; readonly id: string; readonly amountCents: number }
  | {
      readonly at: number;
      readonly kind: 'cart';
      readonly id: string;
      readonly sku: string;
      readonly version: number;
      readonly quantity: number;
    }
  | { readonly at: number; readonly kind: 'click'; readonly id: string }
  | {
      readonly at: number;
      readonly kind: 'upload';
      readonly id: string;
      readonly sha256: string;
      readonly sizeBytes: number;
      readonly sparse: boolean;
    };

export interface Journal {
  append(entry: Acknowledged): void;
  close(): void;
}

/** Appends to the file. Each entry is handed to the kernel before the call returns, so a killed generator loses none. */
export function openJournal(path: string): Journal {
  const file = openSync(path, 'a');
  return {
    append: (entry) => {
      writeSync(file, `${JSON.stringify(entry)}\n`);
    },
    close: () => closeSync(file),
  };
}

/** The entries that were acknowledged before that moment (milliseconds since the epoch), in the order of the file. */
export async function readJournal(path: string, beforeMs = Number.POSITIVE_INFINITY): Promise<Acknowledged[]> {
  const entries: Acknowledged[] = [];
  let number = 0;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    number++;
    if (line === '') continue;
    const entry = parse(line, `${path}:${number}`);
    if (entry.at < beforeMs) entries.push(entry);
  }
  return entries;
}

function parse(line: string, where: string): Acknowledged {
  try {
    return JSON.parse(line) as Acknowledged;
  } catch (cause) {
    throw new Error(`The journal is damaged at ${where}`, { cause });
  }
}
