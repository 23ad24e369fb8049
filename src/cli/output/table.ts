/** Tables fit this many columns; longer cells are cut in the middle, where names differ least. */
const tableWidthMax = 100;
const gap = '   ';

/** Space-padded columns as kubectl prints them. Numbers are the caller's text; the first row is the heading. */
export function formatTable(rows: readonly (readonly string[])[], widthMax = tableWidthMax): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const fitted = fit(widths, widthMax);
  return rows
    .map((row) =>
      row
        .map((cell, column) => cutMiddle(cell, fitted[column] ?? 0).padEnd(fitted[column] ?? 0))
        .join(gap)
        .trimEnd(),
    )
    .join('\n');
}

/** Takes width from the widest column until the table fits. */
function fit(widths: readonly number[], widthMax: number): number[] {
  const fitted = [...widths];
  const total = (): number => fitted.reduce((sum, width) => sum + width, 0) + gap.length * (fitted.length - 1);
  while (total() > widthMax) {
    const widest = fitted.indexOf(Math.max(...fitted));
    const width = fitted[widest] ?? 0;
    if (width <= 8) break;
    fitted[widest] = Math.max(8, width - (total() - widthMax));
  }
  return fitted;
}

export function cutMiddle(text: string, width: number): string {
  if (text.length <= width) return text;
  const left = Math.ceil((width - 1) / 2);
  return `${text.slice(0, left)}…${text.slice(text.length - (width - 1 - left))}`;
}
