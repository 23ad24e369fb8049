import { messageOf } from '#shared/errors';
import { formatBytes } from '#shared/bytes';
import { formatDuration } from '#shared/time';
import type { StepEvent } from '#execution/execute';
import type { CliContext } from '../context.ts';
import type { OutputFormat } from '../flags.ts';
import { cutMiddle } from './table.ts';

/** Shows the steps of a run on stderr while it goes on. */
export interface Progress {
  readonly event: (event: StepEvent) => void;
  /** A line that stays. */
  readonly note: (text: string) => void;
  /** Takes away what is not meant to stay. */
  readonly end: () => void;
}

export function progressFor(context: CliContext, format: OutputFormat): Progress {
  if (format === 'json') return jsonLines(context);
  return context.isTerminal ? liveLines(context) : plainLines(context);
}

/** For scripts: a JSON object per line, told apart by `message_type`. */
function jsonLines({ process }: CliContext): Progress {
  const write = (record: object): void => {
    process.stderr.write(`${JSON.stringify(record)}\n`);
  };
  return {
    event: (event) =>
      write({
        message_type: 'step',
        ...event,
        ...(event.state === 'failed' ? { error: { code: event.error.code, message: event.error.message } } : {}),
      }),
    note: (text) => write({ message_type: 'note', text }),
    end: () => undefined,
  };
}

/** For logs: a line when a step starts to wait for something else, and when it ends. */
function plainLines({ process }: CliContext): Progress {
  const told = new Map<string, string>();
  return {
    event: (event) => {
      // Bytes change all the time; a log wants to know what is going on, not how far.
      const key =
        event.state === 'waiting' ? `waiting ${event.progress === undefined ? event.why : 'bytes'}` : event.state;
      if (event.state === 'started' || told.get(event.id) === key) return;
      told.set(event.id, key);
      process.stderr.write(`  ${lineOf(event)}\n`);
    },
    note: (text) => {
      process.stderr.write(`  ${text}\n`);
    },
    end: () => undefined,
  };
}

/** For people: one line per step, redrawn in place. */
function liveLines(context: CliContext): Progress {
  const { stderr } = context.process;
  const lines = new Map<string, string>();
  let drawn = 0;
  const erase = (): void => {
    if (drawn > 0) stderr.write(`\u001B[${drawn}A\u001B[0J`);
    drawn = 0;
  };
  const draw = (): void => {
    for (const line of lines.values()) stderr.write(`  ${cutMiddle(line, context.columns - 3)}\n`);
    drawn = lines.size;
  };
  return {
    event: (event) => {
      erase();
      lines.delete(event.id);
      if (event.state === 'started' || event.state === 'waiting') lines.set(event.id, lineOf(event));
      else stderr.write(`  ${lineOf(event)}\n`);
      draw();
    },
    note: (text) => {
      erase();
      stderr.write(`  ${text}\n`);
      draw();
    },
    end: erase,
  };
}

function lineOf(event: StepEvent): string {
  const title = event.title.padEnd(30);
  switch (event.state) {
    case 'started':
      return `..    ${title}`;
    case 'done':
      return `ok    ${title} ${formatDuration(event.elapsedMs)}`;
    case 'waiting': {
      const { progress } = event;
      if (progress === undefined) return `..    ${title} waiting for ${event.why}`;
      const percent =
        progress.totalBytes === 0 ? '' : `${Math.floor((100 * progress.doneBytes) / progress.totalBytes)} %  `;
      return `..    ${title} ${percent}${formatBytes(progress.doneBytes)} of ${formatBytes(progress.totalBytes)}`;
    }
    case 'failed':
      return `FAIL  ${title} ${event.error.code}: ${messageOf(event.error).replaceAll(/\s*\n\s*/g, ' ')}`;
    case 'blocked':
      return `--    ${title} not run: ${event.by} failed`;
    default:
      return event satisfies never;
  }
}
