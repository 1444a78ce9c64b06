import { type InputFile, inputFileSchema } from '@karst/shared/protocol/files.ts';
import type { JobId, StudioId } from '@karst/shared/protocol/ids.ts';
import { z } from 'zod';
import { ProblemError } from '../http/handler.ts';
import { objectKeys } from '../objects/keys.ts';
import type { ObjectStore } from '../objects/store.ts';
import type { JobDefinition } from '../store/job-record.ts';
import type { OutputReader } from '../store/output-reader.ts';

const manifestSchema = z.array(inputFileSchema);

/** Manifests kept in memory: every node of a job asks for the same one. */
const MANIFESTS_MAX = 50;

/** 'i<offset>' in the job's own inputs, or 'd<dependency>.<task>.<file>' in a dependency's outputs. */
const CURSOR = /^(?:i(\d{1,9})|d(\d{1,4})\.(\d{1,12})\.(\d{1,9}))$/;

export interface InputPage {
  files: (InputFile & { key: string })[];
  nextCursor: string | undefined;
}

/** A page as nodes get it. */
export async function presigned(
  { files, nextCursor }: InputPage,
  objects: Pick<ObjectStore, 'presignGet'>,
) {
  const items = await Promise.all(
    files.map(async ({ key, ...file }) => ({ ...file, url: await objects.presignGet(key) })),
  );
  return nextCursor === undefined ? { items } : { items, nextCursor };
}

/**
 * What a step's tasks find in their file tree: the job's input files, then the outputs of the steps it
 * depends on. A later file of the same path replaces an earlier one.
 */
export class JobInputs {
  private readonly objects: ObjectStore;
  private readonly outputs: OutputReader;
  private readonly manifests = new Map<JobId, InputFile[]>();

  constructor(objects: ObjectStore, outputs: OutputReader) {
    this.objects = objects;
    this.outputs = outputs;
  }

  async page(
    studio: StudioId,
    jobId: JobId,
    definition: JobDefinition,
    step: number,
    cursor: string | undefined,
    limit: number,
  ): Promise<InputPage> {
    const [, offset, dependency, task, file] = CURSOR.exec(cursor ?? 'i0') ?? [];
    if (offset !== undefined) {
      const manifest = definition.inputCount === 0 ? [] : await this.manifest(studio, jobId);
      const from = Number(offset);
      const files = manifest
        .slice(from, from + limit)
        .map((input) => ({ ...input, key: objectKeys.asset(studio, input.sha256) }));
      const more = from + limit < manifest.length ? `i${from + limit}` : undefined;
      const first = definition.job.steps[step]?.dependsOn.length === 0 ? undefined : 'd0.0.0';
      return { files, nextCursor: more ?? first };
    }
    if (dependency === undefined) {
      throw new ProblemError('invalid_request', 'found an odd cursor', [
        { path: ['query', 'cursor'], message: "expected a previous page's nextCursor" },
      ]);
    }
    const place = { dependency: Number(dependency), task: Number(task), file: Number(file) };
    return await this.dependencyPage(studio, jobId, definition, step, place, limit);
  }

  private async dependencyPage(
    studio: StudioId,
    jobId: JobId,
    definition: JobDefinition,
    step: number,
    place: { dependency: number; task: number; file: number },
    limit: number,
  ): Promise<InputPage> {
    const dependsOn = definition.job.steps[step]?.dependsOn ?? [];
    const of = dependsOn[place.dependency];
    if (of === undefined) return { files: [], nextCursor: undefined };
    const page = await this.outputs.page(
      jobId,
      { step: of, task: place.task, file: place.file },
      of,
      limit,
    );
    const files = page.files.map(({ path, sha256, sizeBytes, task, epoch }) => ({
      path,
      sha256,
      sizeBytes,
      executable: false,
      key: objectKeys.attempt(studio, jobId, of, task, epoch, path),
    }));
    if (page.next !== undefined) {
      return { files, nextCursor: `d${place.dependency}.${page.next.task}.${page.next.file}` };
    }
    const next = place.dependency + 1;
    return { files, nextCursor: next < dependsOn.length ? `d${next}.0.0` : undefined };
  }

  private async manifest(studio: StudioId, jobId: JobId): Promise<InputFile[]> {
    const known = this.manifests.get(jobId);
    if (known !== undefined) return known;
    const stored = await this.objects.getJson(objectKeys.inputs(studio, jobId));
    if (stored === undefined) throw new Error(`job ${jobId} has lost its input manifest`);
    const manifest = manifestSchema.parse(stored);
    if (this.manifests.size >= MANIFESTS_MAX) {
      const [oldest] = this.manifests.keys();
      if (oldest !== undefined) this.manifests.delete(oldest);
    }
    this.manifests.set(jobId, manifest);
    return manifest;
  }
}
