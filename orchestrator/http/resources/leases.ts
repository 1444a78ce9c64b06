import { signsOf } from '@karst/shared/protocol/failure-rules.ts';
import type { JobId, LeaseId, NodeId, StudioId } from '@karst/shared/protocol/ids.ts';
import type { OutputCheck } from '@karst/shared/protocol/output-checks.ts';
import type { JobEvents } from '../../jobs/job-events.ts';
import { type JobInputs, presigned } from '../../jobs/job-inputs.ts';
import { isAtOutput, isCollected } from '../../jobs/output-places.ts';
import { objectKeys } from '../../objects/keys.ts';
import type { ObjectStore } from '../../objects/store.ts';
import type { JobDefinition } from '../../store/job-record.ts';
import type { JobStore } from '../../store/job-store.ts';
import type { LiveLogs } from '../../store/live-log.ts';
import type { NodeStore } from '../../store/node-store.ts';
import type { Span, SpanStore } from '../../store/span-store.ts';
import { mapConcurrently } from '../concurrency.ts';
import { type Handlers, ProblemError } from '../handler.ts';
import { incompleteUpload, requirePartSums } from '../upload-request.ts';

type LeaseHandlers = Pick<
  Handlers,
  | 'getLeaseDefinition'
  | 'listLeaseInputs'
  | 'createLeaseUploads'
  | 'completeLeaseUpload'
  | 'appendLiveLog'
>;

/** Uploads made at once for one request. */
const UPLOADS_AT_ONCE = 16;

/** A live lease of the calling node, with what it runs. */
interface OpenLease {
  studio: StudioId;
  definition: JobDefinition;
  jobId: JobId;
  step: number;
  span: Extract<Span, { state: 'leased' }>;
}

export interface LeaseParts {
  nodes: NodeStore;
  spans: SpanStore;
  jobs: JobStore;
  events: JobEvents;
  inputs: JobInputs;
  logs: LiveLogs;
  objects: ObjectStore;
}

const lost = () => new ProblemError('lease_lost', 'The lease is over: drop its tasks.');

export function leaseHandlers(parts: LeaseParts): LeaseHandlers {
  /** Every call of a lease is fenced: the span table must still hold exactly this lease. */
  async function open(nodeId: NodeId, leaseId: LeaseId): Promise<OpenLease> {
    const listed = await parts.nodes.lease(nodeId, leaseId);
    if (listed === undefined) throw lost();
    const { jobId, step } = listed;
    const span = await parts.spans.readLease({ ...listed, epoch: 0 });
    const studio = await parts.events.studioOf(jobId);
    const tasks = span === undefined ? 0 : span.last + 1;
    const definition = await parts.jobs.definition(jobId, { step, tasks });
    if (span?.state !== 'leased' || span.nodeId !== nodeId) throw lost();
    if (studio === undefined || definition === undefined) throw lost();
    return { studio, definition, jobId, step, span };
  }

  /** A node may write below its own attempt only, and only where the job's outputs are. */
  async function checkPlaces(
    { definition, jobId, step, span }: OpenLease,
    files: readonly { task: number; kind: 'output' | 'log'; path: string }[],
  ): Promise<void> {
    let checks: readonly OutputCheck[] | undefined;
    for (const [index, file] of files.entries()) {
      if (file.task < span.first || file.task > span.last) {
        throw new ProblemError('lease_lost', `Task ${file.task} is not of this lease.`);
      }
      if (file.kind === 'log' || isAtOutput(definition, file.path)) continue;
      const name = definition.job.steps[step]?.name ?? '';
      checks ??= (await parts.jobs.leasePolicy(jobId)).policy?.steps[name]?.outputs ?? [];
      if (isCollected(definition, step, span, checks, file)) continue;
      throw new ProblemError('invalid_request', `${file.path} is at no output location`, [
        {
          path: ['body', 'files', index, 'path'],
          message: 'expected a path at an OUT or INOUT location, or one that the policy collects',
        },
      ]);
    }
  }

  const keyOf = (
    lease: OpenLease,
    file: { task: number; kind: 'output' | 'log'; path: string },
  ) => {
    const { studio, jobId, step, span } = lease;
    return file.kind === 'log'
      ? objectKeys.log(studio, jobId, step, file.task, span.epoch)
      : objectKeys.attempt(studio, jobId, step, file.task, span.epoch, file.path);
  };

  return {
    async getLeaseDefinition({ params }, { principal }) {
      const lease = await open(principal.nodeId, params.leaseId);
      const { job, locations, pathMapping, inputCount } = lease.definition;
      const definition = job.steps[lease.step];
      if (definition === undefined) throw lost();
      const { policy, revision } = await parts.jobs.leasePolicy(lease.jobId);
      const signs = signsOf(policy?.failureRules ?? [], definition.name);
      const outputChecks = policy?.steps[definition.name]?.outputs;
      const environments = [...(job.jobEnvironments ?? []), ...(definition.environments ?? [])];
      return {
        jobId: lease.jobId,
        jobName: job.name,
        step: lease.step,
        parameters: job.parameters,
        definition,
        ...(environments.length === 0 ? {} : { environments }),
        ...(signs.length === 0 ? {} : { failureRules: signs }),
        ...(outputChecks === undefined ? {} : { outputChecks }),
        ...(policy?.steps[definition.name]?.gang === undefined ? {} : { gang: true as const }),
        ...(policy?.silentSeconds === undefined
          ? {}
          : { silence: { seconds: policy.silentSeconds, ends: policy.onSilent === 'retry' } }),
        locations,
        ...(pathMapping === undefined ? {} : { pathMapping }),
        hasInputs: inputCount > 0 || definition.dependsOn.length > 0,
        partChecksum: await parts.objects.partChecksum(),
        ...(revision === undefined ? {} : { revision }),
      };
    },

    async listLeaseInputs({ params, query }, { principal }) {
      const lease = await open(principal.nodeId, params.leaseId);
      const page = await parts.inputs.page(
        lease.studio,
        lease.jobId,
        lease.definition,
        lease.step,
        query.cursor,
        query.limit,
      );
      return await presigned(page, parts.objects);
    },

    async createLeaseUploads({ params, body }, { principal }) {
      const lease = await open(principal.nodeId, params.leaseId);
      requirePartSums(body.files, await parts.objects.partChecksum());
      await checkPlaces(lease, body.files);
      const uploads = await mapConcurrently(body.files, UPLOADS_AT_ONCE, (file) =>
        parts.objects.createUpload(keyOf(lease, file), file),
      );
      return { uploads };
    },

    async completeLeaseUpload({ params, body }, { principal }) {
      const lease = await open(principal.nodeId, params.leaseId);
      await checkPlaces(lease, [body]);
      const result = await parts.objects.completeUpload(
        keyOf(lease, body),
        body.uploadId,
        body.etags,
      );
      if (result !== 'completed') throw incompleteUpload(result);
      return {};
    },

    async appendLiveLog({ params, body }, { principal }) {
      const { jobId, step, span } = await open(principal.nodeId, params.leaseId);
      if (body.task < span.first || body.task > span.last) throw lost();
      await parts.logs.append({ jobId, step, task: body.task }, span.epoch, body.text);
      return {};
    },
  };
}
