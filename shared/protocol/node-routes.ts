import { z } from 'zod';
import { done, node, operator } from './access-kinds.ts';
import { nodeExplanationSchema } from './explain.ts';
import {
  attemptUploadCompleteSchema,
  attemptUploadRequestSchema,
  attemptUploadResponseSchema,
  inputDownloadSchema,
} from './files.ts';
import { jobIdSchema, leaseIdSchema, nodeIdSchema } from './ids.ts';
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
import { nodeSettingsChangeSchema } from './node-settings.ts';
import { pageOf, pageQuerySchema } from './page.ts';
import { type Route, route } from './route.ts';

const nodeParams = z.object({ nodeId: nodeIdSchema });
const leaseParams = nodeParams.extend({ leaseId: leaseIdSchema });

export const nodeRoutes = {
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
  explainNode: route({
    method: 'get',
    path: '/v1/nodes/{nodeId}/explain',
    tag: 'nodes',
    summary:
      'Why a node idles: what holds it, and why each kind of waiting work does not run there.',
    access: operator,
    params: nodeParams,
    response: nodeExplanationSchema,
    problems: ['not_found'],
  }),
  setNode: route({
    method: 'patch',
    path: '/v1/nodes/{nodeId}',
    tag: 'nodes',
    summary: "Change a node's pool, tags, schedule or prices. What is left out stays as it is.",
    access: operator,
    params: nodeParams,
    body: nodeSettingsChangeSchema,
    response: nodeSchema,
    problems: ['not_found'],
  }),
  drainNode: route({
    method: 'post',
    path: '/v1/nodes/{nodeId}/drain',
    tag: 'nodes',
    summary: 'Let a node finish what it runs and take nothing new; or, now=true, stop at once.',
    access: operator,
    params: nodeParams,
    query: z.object({
      now: z
        .enum(['true', 'false'])
        .default('false')
        .describe('true: running leases are killed and given back at once. They cost no retry.'),
    }),
    response: nodeSchema,
    problems: ['not_found'],
  }),
  restoreNode: route({
    method: 'post',
    path: '/v1/nodes/{nodeId}/restore',
    tag: 'nodes',
    summary: 'Trust a quarantined node again: what it failed is forgotten.',
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

export const protocolRoutes = {
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
  listPrefetchInputs: route({
    method: 'get',
    path: '/v1/nodes/{nodeId}/prefetch/{jobId}/{stepIndex}/inputs',
    tag: 'node protocol',
    summary: 'Input files of a step that the node was told, in a sync, it likely gets next.',
    access: node,
    params: nodeParams.extend({
      jobId: jobIdSchema,
      stepIndex: z.coerce.number().int().min(0),
    }),
    query: pageQuerySchema,
    response: pageOf(inputDownloadSchema),
    problems: ['not_found'],
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
