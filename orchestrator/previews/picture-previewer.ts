import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { OutputFile } from '@karst/shared/protocol/files.ts';
import type { JobId, StudioId } from '@karst/shared/protocol/ids.ts';
import { objectKeys } from '../objects/keys.ts';
import type { ObjectStore } from '../objects/store.ts';
import type { EventPublisher } from '../store/event-publisher.ts';
import type { JobStore } from '../store/job-store.ts';
import type { Suspicion, SuspiciousStore } from '../store/suspicious-store.ts';
import type { DecodeGate } from './decode-gate.ts';
import { type DecodeSettings, decodePicture, FILM_FRAME, THUMBNAIL } from './decode-picture.ts';
import { frameNumber } from './frame-sequences.ts';
import { type PictureFacts, pictureFactsSchema } from './picture-facts.ts';
import { extensionOf } from './picture-paths.ts';
import { previewNames } from './preview-names.ts';

export interface PreviewParts {
  objects: ObjectStore;
  jobs: JobStore;
  suspicious: SuspiciousStore;
  events: Pick<EventPublisher, 'publish'>;
  decode: DecodeSettings;
  gate: DecodeGate;
  /** Where pictures are decoded; each piece of work has a folder of its own there. */
  scratchDir: string;
}

/** A task whose outputs count, and the step's name. */
export interface PreviewedTask {
  studio: StudioId;
  jobId: JobId;
  step: number;
  stepName: string;
  task: number;
  epoch: number;
}

/** An event names so many frames. */
const FRAMES_TOLD_MAX = 20;

/** Makes what can be made of single pictures, and notes what is suspicious of them. */
export class PicturePreviewer {
  private readonly parts: PreviewParts;

  constructor(parts: PreviewParts) {
    this.parts = parts;
  }

  /** Of all pictures of one task, in their order. What was made of the same content before is kept. */
  async previewTask(at: PreviewedTask, files: readonly OutputFile[]): Promise<PictureFacts[]> {
    const all: PictureFacts[] = [];
    const frames: Suspicion[] = [];
    for (const file of files) {
      const facts = await this.previewPicture(at, file);
      all.push(facts);
      if (facts.problem !== undefined) {
        const frame = frameNumber(file.path);
        const named = frame === undefined ? {} : { frame };
        frames.push({ task: at.task, path: file.path, ...named, ...facts.problem });
      }
    }
    if (await this.parts.suspicious.noteTask(at, frames)) this.tell(at, at.task, frames);
    return all;
  }

  tell(
    { studio, jobId, stepName }: Pick<PreviewedTask, 'studio' | 'jobId' | 'stepName'>,
    task: number | undefined,
    frames: readonly Suspicion[],
  ): void {
    this.parts.events.publish(studio, {
      type: 'suspicious',
      jobId,
      step: stepName,
      ...(task === undefined ? {} : { task }),
      frames: frames.slice(0, FRAMES_TOLD_MAX),
    });
  }

  private async previewPicture(at: PreviewedTask, file: OutputFile): Promise<PictureFacts> {
    const { objects, decode } = this.parts;
    const stored = await objects.getJson(
      objectKeys.preview(at.studio, at.jobId, at.step, previewNames.facts(file.sha256)),
    );
    const known = pictureFactsSchema.safeParse(stored);
    if (known.success) return known.data;
    if (file.sizeBytes > decode.bytesMax) {
      return { hasPreview: false, note: `larger than ${decode.bytesMax} bytes` };
    }
    return await this.parts.gate.use(() => this.makePreview(at, file));
  }

  private async makePreview(at: PreviewedTask, file: OutputFile): Promise<PictureFacts> {
    const { objects, decode } = this.parts;
    const key = (name: string) => objectKeys.preview(at.studio, at.jobId, at.step, name);
    const dir = await mkdtemp(path.join(this.parts.scratchDir, 'picture-'));
    try {
      const local = path.join(dir, `source${extensionOf(file.path)}`);
      if (!(await this.fetch(at, file, local)))
        return { hasPreview: false, note: 'no longer kept' };
      const facts = await decodePicture(local, decode);
      // A job that was deleted meanwhile must not get objects that nobody would take away.
      if ((await this.parts.jobs.read(at.jobId)) === undefined) return facts;
      if (facts.hasPreview) {
        const { thumbnail, filmFrame } = previewNames;
        await objects.putFile(key(thumbnail(file.sha256)), path.join(dir, THUMBNAIL), 'image/jpeg');
        await objects.putFile(
          key(filmFrame(file.sha256)),
          path.join(dir, FILM_FRAME),
          'image/jpeg',
        );
      }
      await objects.putJson(key(previewNames.facts(file.sha256)), facts);
      return facts;
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }

  /** False: its bytes are gone from storage. */
  private async fetch(at: PreviewedTask, file: OutputFile, local: string): Promise<boolean> {
    const { studio, jobId, step, task, epoch } = at;
    const key = objectKeys.attempt(studio, jobId, step, task, epoch, file.path);
    const body = await this.parts.objects.getStream(key);
    if (body === undefined) return false;
    await pipeline(body.stream, createWriteStream(local));
    return true;
  }
}
