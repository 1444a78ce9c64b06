import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { JobId, StudioId } from '@karst/shared/protocol/ids.ts';
import { mapConcurrently } from '../http/concurrency.ts';
import { objectKeys } from '../objects/keys.ts';
import type { Redis } from '../store/connection.ts';
import type { OutputReader, PlacedOutput } from '../store/output-reader.ts';
import type { Suspicion } from '../store/suspicious-store.ts';
import { makeContactSheet, type SheetCell } from './contact-sheet.ts';
import { fetchNumbered } from './fetch-numbered.ts';
import { type FrameSequence, frameSequences } from './frame-sequences.ts';
import { makeMovie } from './make-movie.ts';
import type { PictureFacts } from './picture-facts.ts';
import type { PicturePreviewer, PreviewParts } from './picture-previewer.ts';
import { contentHash, previewNames } from './preview-names.ts';
import { namesOf, type StepIndex, stepIndexSchema } from './step-index.ts';
import { missingOfStep } from './step-missing.ts';
import { picturesByTask } from './step-pictures.ts';

/** A picture of the step with what is known of it. */
export interface StepPicture {
  path: string;
  sha256: string;
  task: number;
  /** Of the chunk whose outputs these are. */
  last: number | undefined;
  facts: PictureFacts;
}

export interface StepWork {
  studio: StudioId;
  jobId: JobId;
  step: number;
  stepName: string;
  endedAtMs: number;
  /** Of films. */
  framesPerSecond: number;
}

/** More are not looked at when the step ends; a job of a million frames has its thumbnails all the same. */
const PICTURES_MAX = 200_000;
/** Facts are read side by side; what has to be decoded waits its turn. */
const TASKS_AT_ONCE = 16;
const TASKS_PER_LOOK = 256;
const CELLS_MAX = 240;
const MOVIES_MAX = 20;
const MOVIE_FRAMES_MAX = 10_000;

/** Makes what is made of a step as a whole, once it has ended: contact sheet, films, missing frames. */
export class StepPreviewer {
  private readonly parts: PreviewParts & { redis: Redis; outputs: OutputReader };
  private readonly pictures: PicturePreviewer;

  constructor(
    parts: PreviewParts & { redis: Redis; outputs: OutputReader },
    pictures: PicturePreviewer,
  ) {
    this.parts = parts;
    this.pictures = pictures;
  }

  async previewStep(work: StepWork): Promise<void> {
    const former = await this.readIndex(work);
    if (former?.endedAtMs === work.endedAtMs) return;
    const pictures = await this.gather(work);
    const { sequences, single } = frameSequences(pictures);
    const missing = await missingOfStep(this.parts, work, pictures, sequences);
    if (await this.parts.suspicious.noteMissing(work, missing)) {
      this.pictures.tell(work, undefined, missing);
    }
    if ((await this.parts.jobs.read(work.jobId)) === undefined) return;
    const dir = await mkdtemp(path.join(this.parts.scratchDir, 'step-'));
    try {
      const contactSheet = await this.contactSheet(work, cellsOf(sequences, single, missing), dir);
      const movies: StepIndex['movies'] = [];
      for (const sequence of sequences.slice(0, MOVIES_MAX)) {
        const movie = await this.movie(work, sequence, dir);
        if (movie !== undefined) movies.push(movie);
      }
      await this.publish(work, { endedAtMs: work.endedAtMs, contactSheet, movies }, former);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }

  private key({ studio, jobId, step }: StepWork, name: string): string {
    return objectKeys.preview(studio, jobId, step, name);
  }

  private async readIndex(work: StepWork): Promise<StepIndex | undefined> {
    const stored = await this.parts.objects.getJson(this.key(work, previewNames.index));
    return stepIndexSchema.safeParse(stored).data;
  }

  /** All pictures; those of tasks that were left out so far are made now. */
  private async gather(work: StepWork): Promise<StepPicture[]> {
    const pictures: StepPicture[] = [];
    let tasks: PlacedOutput[][] = [];
    const look = async () => {
      const looked = await mapConcurrently(tasks, TASKS_AT_ONCE, (files) =>
        this.known(work, files),
      );
      pictures.push(...looked.flat());
      tasks = [];
    };
    for await (const files of picturesByTask(this.parts.outputs, work.jobId, work.step)) {
      tasks.push(files);
      if (tasks.length === TASKS_PER_LOOK) await look();
      if (pictures.length >= PICTURES_MAX) break;
    }
    await look();
    return pictures;
  }

  private async known(work: StepWork, files: readonly PlacedOutput[]): Promise<StepPicture[]> {
    const { task = 0, epoch = 0 } = files[0] ?? {};
    const facts = await this.pictures.previewTask({ ...work, task, epoch }, files);
    return files.flatMap(({ path: treePath, sha256, last }, index) => {
      const known = facts[index];
      return known === undefined ? [] : [{ path: treePath, sha256, task, last, facts: known }];
    });
  }

  private async contactSheet(
    work: StepWork,
    cells: readonly Cell[],
    dir: string,
  ): Promise<StepIndex['contactSheet']> {
    if (cells.length === 0) return undefined;
    const pictures = cells.flatMap(({ picture }) => (picture?.facts.hasPreview ? [picture] : []));
    const own = path.join(dir, 'sheet');
    await mkdir(own);
    const names = pictures.map(({ sha256 }) => this.key(work, previewNames.thumbnail(sha256)));
    await fetchNumbered(this.parts.objects, names, own);
    const out = path.join(dir, 'sheet.jpg');
    const { width, height } = await makeContactSheet(cells, own, out, {
      ...this.parts.decode,
      cell: fitted(pictures, 256, 256),
    });
    const name = previewNames.sheet(await contentHash(out));
    await this.parts.objects.putFile(this.key(work, name), out, 'image/jpeg');
    await rm(own, { recursive: true });
    return { name, width, height, pictures: cells.length };
  }

  private async movie(
    work: StepWork,
    sequence: FrameSequence<StepPicture>,
    dir: string,
  ): Promise<StepIndex['movies'][number] | undefined> {
    const whole = sequence.frames.filter(({ item }) => item.facts.hasPreview);
    const shown = thinned(whole, MOVIE_FRAMES_MAX);
    const [first, last] = [whole[0], whole.at(-1)];
    if (first === undefined || last === undefined || shown.length < 2) return undefined;
    const own = path.join(dir, 'movie');
    await mkdir(own);
    const keys = shown.map(({ item }) => this.key(work, previewNames.filmFrame(item.sha256)));
    await fetchNumbered(this.parts.objects, keys, own);
    const out = path.join(dir, 'movie.mp4');
    const { framesPerSecond } = work;
    const timeoutMs = this.parts.decode.timeoutMs * 10;
    const settings = { ...this.parts.decode, framesPerSecond, timeoutMs };
    const size = fitted(
      shown.map(({ item }) => item),
      1280,
      720,
    );
    const pixels = await makeMovie(own, size, out, settings);
    const name = previewNames.movie(await contentHash(out));
    await this.parts.objects.putFile(this.key(work, name), out, 'video/mp4');
    const { size: sizeBytes } = await stat(out);
    await rm(own, { recursive: true });
    return {
      name,
      ...pixels,
      pattern: sequence.pattern,
      first: first.number,
      last: last.number,
      frames: shown.length,
      fps: framesPerSecond,
      sizeBytes,
    };
  }

  /** Files first, then the index that names them; what only the former one named goes. */
  private async publish(
    work: StepWork,
    index: StepIndex,
    former: StepIndex | undefined,
  ): Promise<void> {
    const { objects } = this.parts;
    await objects.putJson(this.key(work, previewNames.index), index);
    const kept = new Set(namesOf(index));
    for (const name of former === undefined ? [] : namesOf(former)) {
      if (!kept.has(name)) await objects.delete(this.key(work, name));
    }
  }
}

type Cell = SheetCell & { picture: StepPicture | undefined };

/** In the order of sequences and numbers, missing ones in their places; some are left out where there are many. */
function cellsOf(
  sequences: readonly FrameSequence<StepPicture>[],
  single: readonly StepPicture[],
  missing: readonly Suspicion[],
): Cell[] {
  const cell = (label: string, picture: StepPicture | undefined): Cell => ({
    label,
    picture,
    hasPicture: picture?.facts.hasPreview === true,
    isSuspicious: picture === undefined || picture.facts.problem !== undefined,
  });
  const cells: Cell[] = [];
  for (const { frames, pattern, pathOf } of sequences) {
    const prefix = sequences.length === 1 ? '' : `${path.posix.basename(pattern)} `;
    const lacking = missing.flatMap(({ frame, path: treePath }) =>
      frame !== undefined && pathOf(frame) === treePath ? [{ number: frame, item: undefined }] : [],
    );
    const all = [...frames, ...lacking].sort((a, b) => a.number - b.number);
    cells.push(...all.map(({ number, item }) => cell(`${prefix}${number}`, item)));
  }
  cells.push(...single.map((picture) => cell(path.posix.basename(picture.path), picture)));
  return thinned(cells, CELLS_MAX);
}

/** At most so many, at even distances, the first and the last among them. */
function thinned<T>(items: readonly T[], most: number): T[] {
  if (items.length <= most) return [...items];
  return Array.from({ length: most }, (_, i) => {
    const at = Math.round((i * (items.length - 1)) / (most - 1));
    return items.slice(at, at + 1);
  }).flat();
}

/** The size of the largest picture, made smaller where it does not fit. Without any: a cell's. */
function fitted(
  pictures: readonly StepPicture[],
  widthMax: number,
  heightMax: number,
): { width: number; height: number } {
  const fits = pictures.map(({ facts: { width = 1, height = 1 } }) => {
    const scale = Math.min(1, widthMax / width, heightMax / height);
    return {
      width: Math.max(1, Math.round(width * scale)),
      height: Math.max(1, Math.round(height * scale)),
    };
  });
  if (fits.length === 0) return { width: 160, height: 90 };
  return {
    width: fits.reduce((most, { width }) => Math.max(most, width), 1),
    height: fits.reduce((most, { height }) => Math.max(most, height), 1),
  };
}
