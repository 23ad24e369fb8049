import { cutMiddle } from '../output/table.ts';
import { html, plain } from '../output/plain.ts';
import { isCounted } from './report.ts';
import type { AssetReport, ScanReport } from './report.ts';

const boxWidth = 190;
const boxHeight = 26;
const rowHeight = 36;
const gapWidth = 150;
const labelChars = 28;
/** A drawing with more boxes than this shows nothing any more: Graphviz does it better (-o dot). */
const boxesMax = 250;

interface Box {
  readonly id: string;
  readonly label: string;
  readonly css: string;
  readonly x: number;
  readonly y: number;
}

/** Workloads on the left, what they use on the right, as SVG; empty if nothing uses anything. */
export function drawing(report: ScanReport): string {
  const assets = new Map<string, AssetReport>(report.assets.filter(isCounted).map((asset) => [asset.id, asset]));
  const relations = report.relations.filter(
    ({ from, to, type }) => assets.has(to) && (type === 'uses' || (type === 'madeFrom' && assets.has(from))),
  );
  const left = [...new Set(relations.filter(({ from }) => !assets.has(from)).map(({ from }) => from))];
  const right = [...new Set(relations.flatMap(({ from, to }) => (assets.has(from) ? [from, to] : [to])))];
  if (right.length === 0 || left.length + right.length > boxesMax) return '';
  const boxes = new Map<string, Box>();
  left.forEach((id, row) => boxes.set(id, { id, label: id, css: 'soft', x: 8, y: 8 + row * rowHeight }));
  right.forEach((id, row) => {
    const asset = assets.get(id);
    boxes.set(id, {
      id,
      label: `${asset?.name ?? id} · ${asset?.judgement.verdict ?? ''}`,
      css: (asset?.standing ?? '').replaceAll(' ', '-'),
      x: 8 + boxWidth + gapWidth,
      y: 8 + row * rowHeight,
    });
  });
  const edges = relations.map(({ from, to, type }) => edge(boxes.get(from), boxes.get(to), type === 'madeFrom'));
  const height = 16 + Math.max(left.length, right.length) * rowHeight;
  const width = 16 + 2 * boxWidth + gapWidth + 60;
  return `<svg width="${width}" height="${height}" role="img" aria-label="Who uses which data">${edges.join('')}${[...boxes.values()].map(draw).join('')}</svg>`;
}

function draw({ label, css, x, y }: Box): string {
  return `<g class="${html(css)}"><title>${html(label)}</title><rect x="${x}" y="${y}" width="${boxWidth}" height="${boxHeight}" rx="4"/><text x="${x + 8}" y="${y + 17}">${html(cutMiddle(plain(label), labelChars))}</text></g>`;
}

function edge(from: Box | undefined, to: Box | undefined, made: boolean): string {
  if (from === undefined || to === undefined) return '';
  const y1 = from.y + boxHeight / 2;
  const y2 = to.y + boxHeight / 2;
  const x1 = from.x + boxWidth;
  // What is made from its neighbour in the same column is drawn around the right side.
  const path =
    from.x === to.x
      ? `M${x1} ${y1} C${x1 + 50} ${y1} ${x1 + 50} ${y2} ${x1} ${y2}`
      : `M${x1} ${y1} C${x1 + gapWidth / 2} ${y1} ${to.x - gapWidth / 2} ${y2} ${to.x} ${y2}`;
  return `<path class="edge${made ? ' made' : ''}" d="${path}"/>`;
}
