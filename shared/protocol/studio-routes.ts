import { z } from 'zod';
import { done, read, submit } from './access-kinds.ts';
import { addedTasksSchema, addTasksSchema } from './added-tasks.ts';
import {
  assetMultipartRequestSchema,
  assetMultipartSchema,
  assetPartsRequestSchema,
  assetPartsSchema,
  assetUploadCompleteSchema,
  assetUploadRequestSchema,
  assetUploadResponseSchema,
} from './asset-uploads.ts';
import { jobExplanationSchema } from './explain.ts';
import { outputDownloadSchema } from './files.ts';
import { jobIdSchema } from './ids.ts';
import {
  jobRetryResultSchema,
  jobRetrySchema,
  jobSchema,
  jobStateSchema,
  stepSchema,
  submissionSchema,
  taskStateSchema,
} from './job.ts';
import { jobChangeSchema } from './job-change.ts';
import { pageOf, pageQuerySchema } from './page.ts';
import { type Route, route } from './route.ts';
import { taskSchema } from './task.ts';

const jobParams = z.object({ jobId: jobIdSchema });
const stepParams = jobParams.extend({ step: z.string().min(1).describe("The step's name.") });
const taskIndex = z.coerce.number().int().min(0);
const taskParams = stepParams.extend({ task: taskIndex });

export const jobRoutes = {
  submitJob: route({
    method: 'post',
    path: '/v1/jobs',
    tag: 'jobs',
    summary: 'Submit a job. With an Idempotency-Key header, a repeated call answers the same job.',
    access: submit,
    body: submissionSchema,
    response: jobSchema,
    status: 201,
    problems: [
      'invalid_template',
      'invalid_parameters',
      'invalid_policy',
      'missing_inputs',
      'quota_exceeded',
      'idempotency_key_reused',
      'payload_too_large',
    ],
  }),
  listJobs: route({
    method: 'get',
    path: '/v1/jobs',
    tag: 'jobs',
    summary: "The studio's jobs, newest first.",
    access: read,
    query: pageQuerySchema.extend({ state: jobStateSchema.optional() }),
    response: pageOf(jobSchema),
  }),
  getJob: route({
    method: 'get',
    path: '/v1/jobs/{jobId}',
    tag: 'jobs',
    summary: 'One job.',
    access: read,
    params: jobParams,
    response: jobSchema,
    problems: ['not_found'],
  }),
  explainJob: route({
    method: 'get',
    path: '/v1/jobs/{jobId}/explain',
    tag: 'jobs',
    summary: 'Why a job’s tasks wait, step by step, and when they are expected to start and end.',
    access: read,
    params: jobParams,
    response: jobExplanationSchema,
    problems: ['not_found'],
  }),
  setJob: route({
    method: 'patch',
    path: '/v1/jobs/{jobId}',
    tag: 'jobs',
    summary: "Change a job's policy, from the next grant on. What is left out stays as it is.",
    access: submit,
    params: jobParams,
    body: jobChangeSchema,
    response: jobSchema,
    problems: ['not_found', 'invalid_policy'],
  }),
  cancelJob: route({
    method: 'post',
    path: '/v1/jobs/{jobId}/cancel',
    tag: 'jobs',
    summary: 'Cancel a job: its running tasks are killed. Harmless when it is canceled already.',
    access: submit,
    params: jobParams,
    response: jobSchema,
    problems: ['not_found', 'conflict'],
  }),
  deleteJob: route({
    method: 'delete',
    path: '/v1/jobs/{jobId}',
    tag: 'jobs',
    summary:
      'Delete an ended job with its outputs, logs and previews, for good. Its files go in the background.',
    access: submit,
    params: jobParams,
    response: done,
    problems: ['not_found', 'conflict'],
  }),
  pauseJob: route({
    method: 'post',
    path: '/v1/jobs/{jobId}/pause',
    tag: 'jobs',
    summary: 'Start no more tasks; running ones finish.',
    access: submit,
    params: jobParams,
    response: jobSchema,
    problems: ['not_found', 'conflict'],
  }),
  resumeJob: route({
    method: 'post',
    path: '/v1/jobs/{jobId}/resume',
    tag: 'jobs',
    summary: 'Go on with a paused job.',
    access: submit,
    params: jobParams,
    response: jobSchema,
    problems: ['not_found', 'conflict'],
  }),
  retryJob: route({
    method: 'post',
    path: '/v1/jobs/{jobId}/retry',
    tag: 'jobs',
    summary: 'Run the failed tasks again, and those canceled because of them. Reopens the job.',
    access: submit,
    params: jobParams,
    body: jobRetrySchema,
    response: jobRetryResultSchema,
    problems: ['not_found', 'conflict'],
  }),
  addTasks: route({
    method: 'post',
    path: '/v1/jobs/{jobId}/tasks',
    tag: 'jobs',
    summary:
      'Add tasks to a step: its parameters take more values. Reopens a step that has succeeded, and its job. With an Idempotency-Key header, a repeated call answers what was added.',
    access: submit,
    params: jobParams,
    body: addTasksSchema,
    response: addedTasksSchema,
    status: 201,
    problems: ['not_found', 'conflict', 'idempotency_key_reused'],
  }),
  releaseStep: route({
    method: 'post',
    path: '/v1/jobs/{jobId}/steps/{step}/release',
    tag: 'jobs',
    summary: 'Let a held step run. Harmless when it is not held.',
    access: submit,
    params: stepParams,
    response: stepSchema,
    problems: ['not_found', 'conflict'],
  }),
  listSteps: route({
    method: 'get',
    path: '/v1/jobs/{jobId}/steps',
    tag: 'jobs',
    summary: "A job's steps.",
    access: read,
    params: jobParams,
    response: z.object({ items: z.array(stepSchema) }),
    problems: ['not_found'],
  }),
} as const satisfies Record<string, Route>;

export const taskRoutes = {
  listTasks: route({
    method: 'get',
    path: '/v1/jobs/{jobId}/steps/{step}/tasks',
    tag: 'tasks',
    summary: "A step's tasks by index.",
    access: read,
    params: stepParams,
    query: pageQuerySchema.extend({
      state: taskStateSchema.optional(),
      flagged: z
        .enum(['true', 'false'])
        .optional()
        .describe(
          'true: only running tasks that are flagged; a page may hold fewer than there are.',
        ),
    }),
    response: pageOf(taskSchema),
    problems: ['not_found'],
  }),
  getTask: route({
    method: 'get',
    path: '/v1/jobs/{jobId}/steps/{step}/tasks/{task}',
    tag: 'tasks',
    summary: 'One task.',
    access: read,
    params: taskParams,
    response: taskSchema,
    problems: ['not_found'],
  }),
  requeueTask: route({
    method: 'post',
    path: '/v1/jobs/{jobId}/steps/{step}/tasks/{task}/requeue',
    tag: 'tasks',
    summary:
      'Run a task again, whatever its state. A running attempt is killed, its result refused.',
    access: submit,
    params: taskParams,
    response: taskSchema,
    problems: ['not_found', 'conflict'],
  }),
  getTaskLog: route({
    method: 'get',
    path: '/v1/jobs/{jobId}/steps/{step}/tasks/{task}/log',
    tag: 'tasks',
    summary: "A task's output, as text. follow=true keeps the answer open until the task ends.",
    access: read,
    params: taskParams,
    query: z.object({ follow: z.enum(['true', 'false']).default('false') }),
    response: { mediaType: 'text/plain' },
    problems: ['not_found'],
  }),
} as const satisfies Record<string, Route>;

export const fileRoutes = {
  createAssetUploads: route({
    method: 'post',
    path: '/v1/assets/uploads',
    tag: 'files',
    summary: 'Which of these input files the studio lacks, and how to upload them.',
    access: submit,
    body: assetUploadRequestSchema,
    response: assetUploadResponseSchema,
    problems: ['quota_exceeded'],
  }),
  beginAssetUpload: route({
    method: 'post',
    path: '/v1/assets/uploads/multipart',
    tag: 'files',
    summary:
      'Begin the upload of a large input file, or go on with one: tells the parts that are there.',
    access: submit,
    body: assetMultipartRequestSchema,
    response: assetMultipartSchema,
    problems: ['quota_exceeded'],
  }),
  linkAssetParts: route({
    method: 'post',
    path: '/v1/assets/uploads/parts',
    tag: 'files',
    summary: 'Links to upload parts of a large input file with.',
    access: submit,
    body: assetPartsRequestSchema,
    response: assetPartsSchema,
  }),
  completeAssetUpload: route({
    method: 'post',
    path: '/v1/assets/uploads/complete',
    tag: 'files',
    summary: 'Finish a multipart upload of an input file.',
    access: submit,
    body: assetUploadCompleteSchema,
    response: done,
    problems: ['conflict'],
  }),
  listOutputs: route({
    method: 'get',
    path: '/v1/jobs/{jobId}/outputs',
    tag: 'files',
    summary: 'Accepted outputs with links to download them.',
    access: read,
    params: jobParams,
    query: pageQuerySchema.extend({
      step: z.string().optional(),
      firstTask: taskIndex.optional().describe('With `step`: from this task on, by its index.'),
      lastTask: taskIndex.optional().describe('With `step`: to this task, itself included.'),
    }),
    response: pageOf(outputDownloadSchema),
    problems: ['not_found'],
  }),
  zipOutputs: route({
    method: 'get',
    path: '/v1/jobs/{jobId}/outputs.zip',
    tag: 'files',
    summary:
      'Accepted outputs as one zip file, `<step>/<path>`, at most 200,000. What breaks off has no end.',
    access: read,
    params: jobParams,
    query: z.object({ step: z.string().optional() }),
    response: { mediaType: 'application/zip' },
    problems: ['not_found', 'conflict'],
  }),
  streamEvents: route({
    method: 'get',
    path: '/v1/events',
    tag: 'events',
    summary: "The studio's job and task changes (server-sent events; Last-Event-ID resumes).",
    access: read,
    query: z.object({ jobId: jobIdSchema.optional() }),
    response: { mediaType: 'text/event-stream' },
  }),
} as const satisfies Record<string, Route>;
