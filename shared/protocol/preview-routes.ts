import { z } from 'zod';
import { read } from './access-kinds.ts';
import { jobIdSchema } from './ids.ts';
import { pageQuerySchema } from './page.ts';
import { stepPreviewsSchema, suspiciousFramesSchema } from './previews.ts';
import { type Route, route } from './route.ts';

const jobParams = z.object({ jobId: jobIdSchema });
const stepParams = jobParams.extend({ step: z.string().min(1).describe("The step's name.") });

export const previewRoutes = {
  listSuspiciousFrames: route({
    method: 'get',
    path: '/v1/jobs/{jobId}/suspicious-frames',
    tag: 'files',
    summary:
      "A job's pictures that are black, of one color, hold NaN, are cut off, or are missing.",
    access: read,
    params: jobParams,
    response: suspiciousFramesSchema,
    problems: ['not_found'],
  }),
  getStepPreviews: route({
    method: 'get',
    path: '/v1/jobs/{jobId}/steps/{step}/previews',
    tag: 'files',
    summary: "A step's contact sheet and films, and the thumbnails of a page of its pictures.",
    access: read,
    params: stepParams,
    query: pageQuerySchema,
    response: stepPreviewsSchema,
    problems: ['not_found'],
  }),
  getPreviewPicture: route({
    method: 'get',
    path: '/v1/jobs/{jobId}/steps/{step}/previews/pictures/{name}',
    tag: 'files',
    summary: 'A thumbnail or a contact sheet. Its name tells its content: keep it for good.',
    access: read,
    params: stepParams.extend({
      name: z
        .string()
        .regex(/^(?:[0-9a-f]{64}|sheet-[0-9a-f]{32})\.jpg$/, 'expected a name listed'),
    }),
    response: { mediaType: 'image/jpeg' },
    problems: ['not_found'],
  }),
  getPreviewMovie: route({
    method: 'get',
    path: '/v1/jobs/{jobId}/steps/{step}/previews/movies/{name}',
    tag: 'files',
    summary: 'A film of a sequence of frames; ranges of bytes may be asked for.',
    access: read,
    params: stepParams.extend({
      name: z.string().regex(/^movie-[0-9a-f]{32}\.mp4$/, 'expected a name listed'),
    }),
    response: { mediaType: 'video/mp4' },
    problems: ['not_found'],
  }),
} as const satisfies Record<string, Route>;
