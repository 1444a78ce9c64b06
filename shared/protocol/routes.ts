import { z } from 'zod';
import { keyCreatedSchema, keyCreateSchema, keySchema, whoamiSchema } from './access.ts';
import {
  assetUploadCompleteSchema,
  assetUploadRequestSchema,
  assetUploadResponseSchema,
  attemptUploadCompleteSchema,
  attemptUploadRequestSchema,
  attemptUploadResponseSchema,
  inputDownloadSchema,
  outputDownloadSchema,
} from './files.ts';
import { jobIdSchema, keyIdSchema, leaseIdSchema, nodeIdSchema } from './ids.ts';
import {
  jobRetryResultSchema,
  jobRetrySchema,
  jobSchema,
  jobStateSchema,
  priorityChangeSchema,
  stepSchema,
  submissionSchema,
  taskStateSchema,
} from './job.ts';
import { leaseDefinitionSchema, liveLogSchema } from './lease.ts';
import {
  enrolledSchema,
  enrollmentTokenRequestSchema,
  enrollmentTokenSchema,
  enrollSchema,
  nodeSchema,
  syncRequestSchema,
  syncResponseSchema,
} from './node.ts';
import { pageOf, pageQuerySchema } from './page.ts';
import { type Route, route } from './route.ts';
import { taskSchema } from './task.ts';

const read = { kind: 'studio', role: 'read' } as const;
const submit = { kind: 'studio', role: 'submit' } as const;
const operator = { kind: 'studio', role: 'operator' } as const;
const admin = { kind: 'studio', role: 'admin' } as const;
const node = { kind: 'node' } as const;
const open = { kind: 'public' } as const;

const jobParams = z.object({ jobId: jobIdSchema });
const stepParams = jobParams.extend({ step: z.string().min(1).describe("The step's name.") });
const taskParams = stepParams.extend({ task: z.coerce.number().int().min(0) });
const nodeParams = z.object({ nodeId: nodeIdSchema });
const leaseParams = nodeParams.extend({ leaseId: leaseIdSchema });
const done = z.object({});

const jobRoutes = {
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
      'missing_inputs',
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
  setJobPriority: route({
    method: 'patch',
    path: '/v1/jobs/{jobId}',
    tag: 'jobs',
    summary: "Change a job's priority, from the next grant on.",
    access: submit,
    params: jobParams,
    body: priorityChangeSchema,
    response: jobSchema,
    problems: ['not_found'],
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

const taskRoutes = {
  listTasks: route({
    method: 'get',
    path: '/v1/jobs/{jobId}/steps/{step}/tasks',
    tag: 'tasks',
    summary: "A step's tasks by index.",
    access: read,
    params: stepParams,
    query: pageQuerySchema.extend({ state: taskStateSchema.optional() }),
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

const fileRoutes = {
  createAssetUploads: route({
    method: 'post',
    path: '/v1/assets/uploads',
    tag: 'files',
    summary: 'Which of these input files the studio lacks, and how to upload them.',
    access: submit,
    body: assetUploadRequestSchema,
    response: assetUploadResponseSchema,
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
    query: pageQuerySchema.extend({ step: z.string().optional() }),
    response: pageOf(outputDownloadSchema),
    problems: ['not_found'],
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

const nodeRoutes = {
  listNodes: route({
    method: 'get',
    path: '/v1/nodes',
    tag: 'nodes',
    summary: 'Every enrolled node.',
    access: operator,
    response: z.object({ items: z.array(nodeSchema) }),
  }),
  getNode: route({
    method: 'get',
    path: '/v1/nodes/{nodeId}',
    tag: 'nodes',
    summary: 'One node.',
    access: operator,
    params: nodeParams,
    response: nodeSchema,
    problems: ['not_found'],
  }),
  drainNode: route({
    method: 'post',
    path: '/v1/nodes/{nodeId}/drain',
    tag: 'nodes',
    summary: 'Let a node finish what it runs and take nothing new.',
    access: operator,
    params: nodeParams,
    response: nodeSchema,
    problems: ['not_found'],
  }),
  undrainNode: route({
    method: 'post',
    path: '/v1/nodes/{nodeId}/undrain',
    tag: 'nodes',
    summary: 'Let a drained node take work again.',
    access: operator,
    params: nodeParams,
    response: nodeSchema,
    problems: ['not_found'],
  }),
  createEnrollmentToken: route({
    method: 'post',
    path: '/v1/enrollment-tokens',
    tag: 'nodes',
    summary: 'A one-time token with which one node may enrol.',
    access: operator,
    body: enrollmentTokenRequestSchema,
    response: enrollmentTokenSchema,
    status: 201,
  }),
} as const satisfies Record<string, Route>;

const protocolRoutes = {
  enrollNode: route({
    method: 'post',
    path: '/v1/nodes',
    tag: 'node protocol',
    summary: 'Enrol this machine with a one-time token and the public half of a key it made.',
    access: { kind: 'enrollment' },
    body: enrollSchema,
    response: enrolledSchema,
    status: 201,
    problems: ['enrollment_token_used'],
  }),
  syncNode: route({
    method: 'post',
    path: '/v1/nodes/{nodeId}/sync',
    tag: 'node protocol',
    summary: 'Heartbeat, reports, progress; answers grants and lost leases. Long-polls for work.',
    access: node,
    params: nodeParams,
    body: syncRequestSchema,
    response: syncResponseSchema,
    problems: ['node_superseded', 'shutting_down'],
  }),
  getLeaseDefinition: route({
    method: 'get',
    path: '/v1/nodes/{nodeId}/leases/{leaseId}/definition',
    tag: 'node protocol',
    summary: 'What a lease runs.',
    access: node,
    params: leaseParams,
    response: leaseDefinitionSchema,
    problems: ['lease_lost'],
  }),
  listLeaseInputs: route({
    method: 'get',
    path: '/v1/nodes/{nodeId}/leases/{leaseId}/inputs',
    tag: 'node protocol',
    summary: "The lease's input files: the job's, then outputs of the steps it depends on.",
    access: node,
    params: leaseParams,
    query: pageQuerySchema,
    response: pageOf(inputDownloadSchema),
    problems: ['lease_lost'],
  }),
  createLeaseUploads: route({
    method: 'post',
    path: '/v1/nodes/{nodeId}/leases/{leaseId}/uploads',
    tag: 'node protocol',
    summary: "How to upload outputs and logs of the lease's tasks.",
    access: node,
    params: leaseParams,
    body: attemptUploadRequestSchema,
    response: attemptUploadResponseSchema,
    problems: ['lease_lost'],
  }),
  completeLeaseUpload: route({
    method: 'post',
    path: '/v1/nodes/{nodeId}/leases/{leaseId}/uploads/complete',
    tag: 'node protocol',
    summary: "Finish a multipart upload of one of the lease's tasks.",
    access: node,
    params: leaseParams,
    body: attemptUploadCompleteSchema,
    response: done,
    problems: ['lease_lost', 'conflict'],
  }),
  appendLiveLog: route({
    method: 'post',
    path: '/v1/nodes/{nodeId}/leases/{leaseId}/logs',
    tag: 'node protocol',
    summary: "A piece of a running task's output, for people who watch.",
    access: node,
    params: leaseParams,
    body: liveLogSchema,
    response: done,
    problems: ['lease_lost'],
  }),
} as const satisfies Record<string, Route>;

const accessRoutes = {
  whoami: route({
    method: 'get',
    path: '/v1/whoami',
    tag: 'access',
    summary: 'Which studio and role the key has.',
    access: read,
    response: whoamiSchema,
  }),
  createKey: route({
    method: 'post',
    path: '/v1/keys',
    tag: 'access',
    summary: 'Make an API key. A studio exists from its first key on.',
    access: admin,
    body: keyCreateSchema,
    response: keyCreatedSchema,
    status: 201,
  }),
  listKeys: route({
    method: 'get',
    path: '/v1/keys',
    tag: 'access',
    summary: 'Every key, without its secret.',
    access: admin,
    response: z.object({ items: z.array(keySchema) }),
  }),
  revokeKey: route({
    method: 'delete',
    path: '/v1/keys/{keyId}',
    tag: 'access',
    summary: 'Revoke a key, within ten seconds on every replica.',
    access: admin,
    params: z.object({ keyId: keyIdSchema }),
    response: done,
    problems: ['not_found'],
  }),
} as const satisfies Record<string, Route>;

const serviceRoutes = {
  livez: route({
    method: 'get',
    path: '/livez',
    tag: 'service',
    summary: 'The process runs.',
    access: open,
    response: z.object({ status: z.literal('ok') }),
  }),
  readyz: route({
    method: 'get',
    path: '/readyz',
    tag: 'service',
    summary: 'Redis and storage answer and the process is not shutting down.',
    access: open,
    response: z.object({ status: z.literal('ok') }),
    problems: ['shutting_down'],
  }),
  metrics: route({
    method: 'get',
    path: '/metrics',
    tag: 'service',
    summary: 'Prometheus metrics of the farm; nothing in them names a studio’s job.',
    access: open,
    response: { mediaType: 'text/plain' },
  }),
  openapi: route({
    method: 'get',
    path: '/openapi.json',
    tag: 'service',
    summary: 'This API as OpenAPI 3.1.',
    access: open,
    response: { mediaType: 'application/json' },
  }),
} as const satisfies Record<string, Route>;

/** The whole API. Express is mounted from it, clients call through it, OpenAPI is made from it. */
export const routes = {
  ...jobRoutes,
  ...taskRoutes,
  ...fileRoutes,
  ...nodeRoutes,
  ...protocolRoutes,
  ...accessRoutes,
  ...serviceRoutes,
};
export type Routes = typeof routes;
export type OperationId = keyof Routes;
