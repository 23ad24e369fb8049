import { formatBytes } from '#shared/bytes';
import { html } from '../output/plain.ts';
import { drawing } from './drawing.ts';
import { isCounted } from './report.ts';
import type { AssetReport, ScanReport, Standing } from './report.ts';
import { protectedBy } from './table.ts';

/** How a standing is said to somebody who does not run clusters. */
const words: Readonly<Record<Standing, string>> = {
  'at risk': 'Not protected',
  unknown: 'Not known',
  partly: 'Partly protected',
  protected: 'Protected',
  'nothing to do': 'Needs nothing',
};
const order: readonly Standing[] = ['at risk', 'unknown', 'partly', 'protected', 'nothing to do'];

const style = `:root{color-scheme:light dark;--bg:#fff;--ink:#1d2733;--soft:#5b6875;--line:#dde3e9;--risk:#c0392b;--unknown:#b9770e;--partly:#8a7300;--ok:#1e7e4b;--none:#66727f}
@media(prefers-color-scheme:dark){:root{--bg:#14191f;--ink:#e6ebf0;--soft:#9aa7b4;--line:#2c3540;--risk:#ff7d6e;--unknown:#f0b04f;--partly:#d8c05a;--ok:#5fcb93;--none:#9aa7b4}}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:70rem;padding:2rem 1.25rem;background:var(--bg);color:var(--ink)}
h1{font-size:1.6rem;margin:0 0 .25rem}h2{font-size:1.15rem;margin:2.25rem 0 .5rem}p{margin:.35rem 0}.soft{color:var(--soft)}
.tiles{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.25rem 0}.tile{border:1px solid var(--line);border-radius:.5rem;padding:.6rem 1rem;min-width:7rem}
.tile b{display:block;font-size:1.7rem;line-height:1.2}.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;color:var(--soft);font-size:.85rem}td.n{text-align:right;white-space:nowrap}
.at-risk{color:var(--risk)}.unknown{color:var(--unknown)}.partly{color:var(--partly)}.protected{color:var(--ok)}.nothing-to-do{color:var(--none)}
.standing{font-weight:600;white-space:nowrap}summary{cursor:pointer}ul{margin:.35rem 0;padding-left:1.2rem}code{font-size:.9em;overflow-wrap:anywhere}
svg text{font:11px system-ui,sans-serif;fill:var(--ink)}svg .edge{stroke:var(--soft);fill:none}svg .made{stroke-dasharray:4 3}svg rect{fill:var(--bg);stroke:currentColor}`;

/** One page without anything from elsewhere: no script, no font, no picture. */
export function scanHtml(report: ScanReport): string {
  const assets = report.assets.filter(isCounted);
  const graph = drawing(report);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>What is protected in ${html(report.source)}</title><style>${style}</style></head><body>
<h1>What is protected in ${html(report.source)}</h1>
<p class="soft">${report.applications.length} applications with ${assets.length} pieces of data, ${html(formatBytes(report.totals.bytes))} as far as sizes are known.</p>
${verdictLine(report)}
<div class="tiles">${order.map((standing) => tile(standing, assets)).join('')}</div>
${report.applications.map((application) => section(application, assets)).join('')}
${section({ name: 'The cluster itself', namespaces: [''], because: [] }, assets)}
${findings(report)}
${graph === '' ? '' : `<h2>Who uses what</h2><div class="scroll">${graph}</div>`}
${unseen(report)}
</body></html>
`;
}

function verdictLine({ totals }: ScanReport): string {
  const open = totals.atRisk + totals.unknown;
  if (open > 0)
    return `<p class="at-risk"><b>${open} of ${totals.assets} pieces of data would be lost</b> if this cluster were lost now.</p>`;
  if (totals.partly > 0)
    return `<p class="partly"><b>${totals.partly} of ${totals.assets} pieces of data are protected only partly.</b></p>`;
  return totals.unseen > 0
    ? '<p class="unknown"><b>Everything that was seen is protected, and not everything could be seen.</b></p>'
    : '<p class="protected"><b>Everything that must be kept is protected.</b></p>';
}

function tile(standing: Standing, assets: readonly AssetReport[]): string {
  const count = assets.filter((asset) => asset.standing === standing).length;
  return `<div class="tile ${cssClass(standing)}"><b>${count}</b>${words[standing]}</div>`;
}

function section(
  { name, namespaces, because }: ScanReport['applications'][number],
  all: readonly AssetReport[],
): string {
  const assets = all
    .filter((asset) => namespaces.includes(asset.namespace))
    .toSorted((a, b) => order.indexOf(a.standing) - order.indexOf(b.standing) || (a.id < b.id ? -1 : 1));
  if (assets.length === 0) return '';
  const why =
    because.length === 0 ? '' : `<p class="soft">Proposed as one application: ${html(because.join('; '))}.</p>`;
  return `<h2>${html(name)}</h2>${why}<div class="scroll"><table><thead><tr><th>Data</th><th>Size</th><th>State</th><th>Why</th></tr></thead><tbody>${assets.map(row).join('')}</tbody></table></div>`;
}

function row(asset: AssetReport): string {
  const size = asset.usedBytes ?? asset.sizeBytes;
  const evidence = asset.judgement.evidence
    .map((one) => `<li><code>${html(`${one.object} ${one.field}: ${one.value}`)}</code></li>`)
    .join('');
  const details = evidence === '' ? '' : `<ul>${evidence}</ul>`;
  const protection = asset.standing === 'nothing to do' ? '' : `<p class="soft">${html(protectedBy(asset, false))}</p>`;
  return `<tr><td><b>${html(asset.name)}</b><br><span class="soft">${html(asset.title)}</span></td><td class="n">${size === undefined ? '' : html(formatBytes(size))}</td><td class="standing ${cssClass(asset.standing)}">${words[asset.standing]}</td><td><details><summary>${html(asset.judgement.verdict)}: ${html(asset.judgement.reason)}</summary>${details}</details>${protection}</td></tr>`;
}

/** Risks first; what the rows say already is left out. */
function findings(report: ScanReport): string {
  const told = report.findings
    .filter(({ name }) => name !== 'NotProtected' && name !== 'ScheduledButVolumeNotSelected')
    .toSorted((a, b) => Number(a.severity !== 'risk') - Number(b.severity !== 'risk'));
  if (told.length === 0) return '';
  const items = told
    .map(({ name, severity, message }) => {
      const mark = severity === 'risk' ? 'at-risk' : 'partly';
      return `<li><b class="${mark}">${html(name)}</b> ${html(message)}</li>`;
    })
    .join('');
  return `<h2>What is the matter with backups</h2><ul>${items}</ul>`;
}

function unseen(report: ScanReport): string {
  if (report.unseen.length === 0) return '';
  const items = report.unseen.map(({ what, reason }) => `<li>${html(what)}: ${html(reason)}</li>`).join('');
  return `<h2>What could not be seen</h2><p>What may hold data there counts as not known.</p><ul>${items}</ul>`;
}

function cssClass(standing: Standing): string {
  return standing.replaceAll(' ', '-');
}
