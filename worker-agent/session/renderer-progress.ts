/** What a renderer's own output line says about how far it is. */
export interface RendererProgress {
  percent: number;
  status?: string;
}

type Reader = (text: string) => RendererProgress | undefined;

const share = (done: string | undefined, all: string | undefined): number | undefined => {
  const percent = (100 * Number(done)) / Number(all);
  return percent >= 0 && percent <= 100 ? percent : undefined;
};

/** Blender: `Fra:12 Mem:90M … | Sample 3/16`, `… | Rendered 3/16 Tiles, …`. */
const blender: Reader = (text) => {
  if (!text.startsWith('Fra:')) return undefined;
  const frame = /^Fra:(-?\d+)/.exec(text)?.[1];
  const [, done, all] = /\| (?:Sample|Rendered) (\d+)\/(\d+)/.exec(text) ?? [];
  const percent = share(done, all);
  return percent === undefined ? undefined : { percent, status: `frame ${frame}` };
};

/** POV-Ray: `Rendered 1024 of 57600 pixels (1%)`. */
const povray: Reader = (text) => {
  const [, done, all] = /Rendered (\d+) of (\d+) pixels/.exec(text) ?? [];
  const percent = share(done, all);
  return percent === undefined ? undefined : { percent };
};

/** One reader for each renderer that says how far it is without being asked to. */
const readers: readonly Reader[] = [blender, povray];

/** Undefined for a line that says nothing of progress. */
export function parseRendererProgress(text: string): RendererProgress | undefined {
  for (const reader of readers) {
    const progress = reader(text);
    if (progress !== undefined) return progress;
  }
  return undefined;
}
