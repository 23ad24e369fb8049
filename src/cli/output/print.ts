import type { CliContext } from '../context.ts';
import type { OutputFormat } from '../flags.ts';
import { formatTable } from './table.ts';

/** One result, printed any way that is asked for. `rows` and `wideRows` begin with the heading. */
export interface View {
  /** What json and yaml show; only ever extended. */
  readonly value: unknown;
  readonly names: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly wideRows?: readonly (readonly string[])[];
  /** Printed after a table, never into json or yaml: what to do next. */
  readonly after?: string;
}

export async function print(context: CliContext, view: View, format: OutputFormat): Promise<void> {
  const { stdout, stderr } = context.process;
  switch (format) {
    case 'json':
      stdout.write(`${JSON.stringify(view.value, null, 2)}\n`);
      return;
    case 'yaml': {
      const { stringify } = await import('yaml');
      stdout.write(stringify(view.value));
      return;
    }
    case 'name':
      for (const name of view.names) stdout.write(`${name}\n`);
      return;
    case 'table':
    case 'wide':
      stdout.write(`${format === 'wide' ? formatTable(view.wideRows ?? view.rows, 200) : formatTable(view.rows)}\n`);
      if (view.after !== undefined) stderr.write(`${view.after}\n`);
      return;
    default:
      format satisfies never;
  }
}
