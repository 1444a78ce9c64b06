import { type Axis, escapeText } from './axis.ts';

export interface Series {
  readonly name: string;
  readonly colour: string;
  /** In the axes' units; breaks where y is undefined. */
  readonly points: readonly { x: number; y: number | undefined }[];
}

export interface Panel {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** A line across at this y: what the others are to be read against. */
  readonly baseline?: number;
}

export interface Chart {
  readonly title: string;
  readonly subtitle: string;
  readonly panels: readonly Panel[];
}

const WIDTH = 980;
const LEFT = 80;
const RIGHT = 150;
const TOP = 76;
const PANEL = 210;
/** Below each panel: its axis, and the next one's title. */
const GAP = 74;
const PLOT = WIDTH - LEFT - RIGHT;

/** Line colours that differ in hue and in lightness (Okabe and Ito, 2008, and two more). */
export const colours = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#7a4b1e',
  '#555555',
];
export const colourOf = (n: number): string => colours[n % colours.length] ?? '#000000';

/** Panels of lines below one another, with one legend, as the text of an SVG file. */
export function renderChart({ title, subtitle, panels }: Chart): string {
  const height = TOP + panels.length * (PANEL + GAP);
  const body = panels.map((panel, n) => renderPanel(panel, TOP + n * (PANEL + GAP)));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="Helvetica, Arial, sans-serif" font-size="12" fill="#333">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="${LEFT}" y="26" font-size="18" font-weight="bold">${escapeText(title)}</text>`,
    `<text x="${LEFT}" y="45" fill="#666">${escapeText(subtitle)}</text>`,
    ...body,
    '</svg>',
    '',
  ].join('\n');
}

function renderPanel(panel: Panel, top: number): string {
  const bottom = top + PANEL;
  const xAt = (value: number) => LEFT + PLOT * Math.min(1, Math.max(0, panel.x.place(value)));
  const yAt = (value: number) => bottom - PANEL * Math.min(1, Math.max(0, panel.y.place(value)));
  const lines = [
    `<text x="${LEFT}" y="${top - 9}" font-weight="bold">${escapeText(panel.title)}</text>`,
  ];
  for (const { at, label } of panel.y.ticks) {
    const y = yAt(at).toFixed(1);
    lines.push(
      `<line x1="${LEFT}" x2="${LEFT + PLOT}" y1="${y}" y2="${y}" stroke="#e4e4e4"/>`,
      `<text x="${LEFT - 8}" y="${(yAt(at) + 4).toFixed(1)}" text-anchor="end">${escapeText(label)}</text>`,
    );
  }
  for (const { at, label } of panel.x.ticks) {
    const x = xAt(at).toFixed(1);
    lines.push(
      `<line x1="${x}" x2="${x}" y1="${top}" y2="${bottom}" stroke="#f0f0f0"/>`,
      `<text x="${x}" y="${bottom + 17}" text-anchor="middle">${escapeText(label)}</text>`,
    );
  }
  lines.push(
    `<rect x="${LEFT}" y="${top}" width="${PLOT}" height="${PANEL}" fill="none" stroke="#999"/>`,
    `<text x="${LEFT + PLOT / 2}" y="${bottom + 35}" text-anchor="middle" fill="#666">${escapeText(panel.x.title)}</text>`,
    `<text transform="translate(${LEFT - 56} ${top + PANEL / 2}) rotate(-90)" text-anchor="middle" fill="#666">${escapeText(panel.y.title)}</text>`,
  );
  if (panel.baseline !== undefined) {
    const y = yAt(panel.baseline).toFixed(1);
    lines.push(
      `<line x1="${LEFT}" x2="${LEFT + PLOT}" y1="${y}" y2="${y}" stroke="#333" stroke-dasharray="5 4"/>`,
    );
  }
  for (const [n, { name, colour, points }] of panel.series.entries()) {
    lines.push(
      `<path d="${pathOf(points, xAt, yAt)}" fill="none" stroke="${colour}" stroke-width="1.7" stroke-linejoin="round"/>`,
      `<line x1="${LEFT + PLOT + 14}" x2="${LEFT + PLOT + 34}" y1="${top + 12 + n * 18}" y2="${top + 12 + n * 18}" stroke="${colour}" stroke-width="3"/>`,
      `<text x="${LEFT + PLOT + 40}" y="${top + 16 + n * 18}">${escapeText(name)}</text>`,
    );
  }
  return lines.join('\n');
}

function pathOf(
  points: Series['points'],
  xAt: (value: number) => number,
  yAt: (value: number) => number,
): string {
  let isDrawing = false;
  const parts: string[] = [];
  for (const { x, y } of points) {
    if (y !== undefined) {
      parts.push(`${isDrawing ? 'L' : 'M'}${xAt(x).toFixed(1)} ${yAt(y).toFixed(1)}`);
    }
    isDrawing = y !== undefined;
  }
  return parts.join('');
}
