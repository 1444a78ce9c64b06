import type { JobId, StudioId } from '@karst/shared/protocol/ids.ts';
import { previewRoutes } from '@karst/shared/protocol/preview-routes.ts';
import type { StepPreviews } from '@karst/shared/protocol/previews.ts';
import { type Route, routeUrl } from '@karst/shared/protocol/route.ts';
import { objectKeys } from '../../objects/keys.ts';
import type { ObjectStore } from '../../objects/store.ts';
import { pictureFactsSchema } from '../../previews/picture-facts.ts';
import { isPicture } from '../../previews/picture-paths.ts';
import type { PreviewFeed } from '../../previews/preview-feed.ts';
import { previewNames } from '../../previews/preview-names.ts';
import { namesOf, type StepIndex, stepIndexSchema } from '../../previews/step-index.ts';
import { previewPolicy } from '../../previews/step-policy.ts';
import type { JobStore } from '../../store/job-store.ts';
import type { OutputReader, PlacedOutput } from '../../store/output-reader.ts';
import type { SuspiciousStore } from '../../store/suspicious-store.ts';
import { mapConcurrently } from '../concurrency.ts';
import { type Handlers, ProblemError, type StudioPrincipal } from '../handler.ts';
import { sendObject } from '../send-object.ts';
import { ownJob } from './jobs.ts';
import { ownStep } from './tasks.ts';

type PreviewHandlers = Pick<
  Handlers,
  'listSuspiciousFrames' | 'getStepPreviews' | 'getPreviewPicture' | 'getPreviewMovie'
>;

const CURSOR = /^(\d{1,12})\.(\d{1,9})$/;
const READS_AT_ONCE = 16;

interface Own {
  principal: StudioPrincipal;
  params: { jobId: JobId; step: string };
}
interface Place {
  studio: StudioId;
  jobId: JobId;
  step: number;
  /** Its policy wants no previews. */
  isOff: boolean;
}

export function previewHandlers(parts: {
  jobs: JobStore;
  outputs: OutputReader;
  objects: ObjectStore;
  suspicious: SuspiciousStore;
  previewFeed: PreviewFeed;
}): PreviewHandlers {
  const { jobs, outputs, objects, suspicious, previewFeed } = parts;

  async function place({ principal, params }: Own): Promise<Place> {
    const { studio } = principal;
    const { jobId, policy, index } = await ownStep(jobs, studio, params.jobId, params.step);
    return { studio, jobId, step: index, isOff: !previewPolicy({ policy }, params.step).make };
  }

  const keyOf = ({ studio, jobId, step }: Place, name: string) =>
    objectKeys.preview(studio, jobId, step, name);

  /** What was made of the whole step, if it is still of what the step holds. */
  async function currentIndex(at: Place): Promise<{
    index: StepIndex | undefined;
    endedAtMs: number | undefined;
  }> {
    const endedAtMs = (await jobs.step(at.jobId, at.step))?.ended_at;
    if (endedAtMs === undefined) return { index: undefined, endedAtMs };
    const stored = await objects.getJson(keyOf(at, previewNames.index));
    const index = stepIndexSchema.safeParse(stored).data;
    return { index: index?.endedAtMs === endedAtMs ? index : undefined, endedAtMs };
  }

  async function pictureOf(own: Own, at: Place, file: PlacedOutput) {
    const { task, path, sha256 } = file;
    const stored = await objects.getJson(keyOf(at, previewNames.facts(sha256)));
    const facts = pictureFactsSchema.safeParse(stored).data;
    if (facts === undefined) return { task, path };
    const { width, height, problem, note, hasPreview } = facts;
    const name = previewNames.thumbnail(sha256);
    return {
      task,
      path,
      ...(hasPreview ? { thumbnail: href(previewRoutes.getPreviewPicture, own, name) } : {}),
      width,
      height,
      ...(problem === undefined ? {} : { suspicious: [problem.reason] }),
      note: note ?? (hasPreview ? undefined : problem?.detail),
    };
  }

  async function whole(
    own: Own,
    index: StepIndex | undefined,
  ): Promise<Pick<StepPreviews, 'contactSheet' | 'movies'>> {
    const { contactSheet, movies = [] } = index ?? {};
    const told = movies.map(({ name, ...movie }) => ({
      href: href(previewRoutes.getPreviewMovie, own, name),
      ...movie,
    }));
    if (contactSheet === undefined) return { movies: told };
    const { name, ...sheet } = contactSheet;
    const picture = href(previewRoutes.getPreviewPicture, own, name);
    return { contactSheet: { href: picture, ...sheet }, movies: told };
  }

  return {
    async listSuspiciousFrames({ params }, { principal }) {
      const job = await ownJob(jobs, principal.studio, params.jobId);
      const steps = await jobs.steps(job.id, job.stepCount);
      const names = steps.map(({ name }) => name);
      return {
        total: job.suspiciousFrames ?? 0,
        items: job.suspiciousFrames === undefined ? [] : await suspicious.list(job.id, names),
      };
    },

    async getStepPreviews({ params, query }, { principal }) {
      const own = { principal, params };
      const at = await place(own);
      const from = { step: at.step, ...parseCursor(query.cursor) };
      const page = await outputs.page(at.jobId, from, at.step, query.limit);
      const files = page.files.filter(({ path }) => isPicture(path));
      const { index, endedAtMs } = await currentIndex(at);
      const isEmpty =
        at.isOff || (files.length === 0 && query.cursor === undefined && page.next === undefined);
      // Whatever was lost on the way, whoever asks gets it made.
      if (index === undefined && endedAtMs !== undefined && !isEmpty) {
        await previewFeed.stepWanted(at.jobId, at.step, endedAtMs);
      }
      const pictures = await mapConcurrently(files, READS_AT_ONCE, (file) =>
        pictureOf(own, at, file),
      );
      return {
        isComplete: endedAtMs !== undefined && (index !== undefined || isEmpty),
        ...(await whole(own, index)),
        pictures,
        ...(page.next === undefined ? {} : { nextCursor: `${page.next.task}.${page.next.file}` }),
      };
    },

    getPreviewPicture: ({ params }, context) => serve(params, context, 'image/jpeg'),
    getPreviewMovie: ({ params }, context) => serve(params, context, 'video/mp4'),
  };

  async function serve(
    params: Parameters<Handlers['getPreviewMovie']>[0]['params'],
    {
      principal,
      request,
      response,
      signal,
    }: Pick<
      Parameters<Handlers['getPreviewMovie']>[1],
      'principal' | 'request' | 'response' | 'signal'
    >,
    mediaType: string,
  ): Promise<undefined> {
    const at = await place({ principal, params });
    const { name } = params;
    await checkNamed(at, name);
    await sendObject(objects, { key: keyOf(at, name), name, mediaType }, request, response, signal);
  }

  /** A contact sheet or film of what the step no longer holds is not served, though it may still be there. */
  async function checkNamed(at: Place, name: string): Promise<void> {
    if (!name.includes('-')) return;
    const { index } = await currentIndex(at);
    if (index !== undefined && namesOf(index).includes(name)) return;
    throw new ProblemError('not_found', `There is no preview ${name} now.`);
  }
}

const href = (route: Route, { params }: Own, name: string): string =>
  routeUrl(route, { ...params, name }, {});

function parseCursor(cursor: string | undefined): { task: number; file: number } {
  if (cursor === undefined) return { task: 0, file: 0 };
  const [, task, file] = CURSOR.exec(cursor) ?? [];
  if (task !== undefined) return { task: Number(task), file: Number(file) };
  throw new ProblemError('invalid_request', 'found an odd cursor', [
    { path: ['query', 'cursor'], message: "expected a previous page's nextCursor" },
  ]);
}
