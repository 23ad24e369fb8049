/**
 * Draws text of a terminal as an SVG: `npm run demo | node_modules/.bin/node docs/picture.ts > docs/demo.svg`. A picture made
 * from real output cannot show what the program does not print.
 */

const columnsMax = 132;
const lineHeight = 17;
const fontSize = 13;
const charWidth = 7.83;
const padding = 16;

const input = (await Array.fromAsync(process.stdin as AsyncIterable<Buffer>)).map(String).join('');
const lines = input.split('\n').flatMap(wrap);
const width = Math.ceil(columnsMax * charWidth + 2 * padding);
const height = lines.length * lineHeight + 2 * padding;
const rows = lines.map(
  (line, index) =>
    `<text x="${padding}" y="${padding + (index + 0.8) * lineHeight}" fill="${colour(line)}">${escaped(line)}</text>`,
);

process.stdout
  .write(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="Output of npm run demo">
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="${fontSize}" xml:space="preserve">
${rows.join('\n')}
</g>
</svg>
`);

/** Long lines go on below, indented, as a terminal would show them. */
function wrap(line: string): string[] {
  if (line.length <= columnsMax) return [line];
  const cut = line.lastIndexOf(' ', columnsMax);
  const at = cut > columnsMax / 2 ? cut : columnsMax;
  return [line.slice(0, at), ...wrap(`             ${line.slice(at).trimStart()}`)];
}

function colour(line: string): string {
  if (/FAIL|Error|DO NOT HOLD|did NOT/.test(line)) return '#ff7b72';
  if (/^\s*(✓|ok\b)|came back whole/.test(line)) return '#7ee787';
  if (line.startsWith('$')) return '#79c0ff';
  return '#c9d1d9';
}

function escaped(line: string): string {
  return line.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
