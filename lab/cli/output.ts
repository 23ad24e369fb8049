import type { LabReport } from '../lab.ts';

/** A table: each component, and why it is not ready. */
export function formatStatus(report: LabReport): string {
  if (report.reason !== undefined) return `${report.reason}\n`;
  const width = Math.max(...report.components.map((component) => component.name.length));
  const rows = report.components.map((component) => {
    const restarts = component.restarts === 0 ? '' : ` (started again ${component.restarts} times)`;
    return `${component.ready ? '✓' : '✗'} ${component.name.padEnd(width)}  ${component.ready ? 'ready' : (component.reason ?? '')}${restarts}`;
  });
  return `${rows.join('\n')}\n`;
}

/** Lines for a POSIX shell's eval. */
export function formatExports(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`)
    .join('');
}
