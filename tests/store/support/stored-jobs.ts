import { putJobFile } from '@karst/orchestrator/jobs/job-file.ts';
import { objectKeys } from '@karst/orchestrator/objects/keys.ts';
import type { ObjectStore } from '@karst/orchestrator/objects/store.ts';
import { ControlStore } from '@karst/orchestrator/store/control-store.ts';
import { DeletionStore } from '@karst/orchestrator/store/deletion-store.ts';
import { JobStore } from '@karst/orchestrator/store/job-store.ts';
import type { ResolvedJob } from '@karst/shared/openjd/resolved-job.ts';
import type { InputFile } from '@karst/shared/protocol/files.ts';
import { type JobId, newJobId, type StudioId, studioIdSchema } from '@karst/shared/protocol/ids.ts';
import { policySchema } from '@karst/shared/protocol/job.ts';
import { systemRandom } from '@karst/shared/random.ts';
import type { Redis } from 'ioredis';

const onRun: ResolvedJob['steps'][number]['script']['onRun'] = {
  command: 'true',
  args: [],
  cancelation: { mode: 'TERMINATE' },
};
const script = { onRun, embeddedFiles: [] };
const job: ResolvedJob = {
  name: 'stored',
  parameters: {},
  steps: [{ name: 'Render', dependsOn: [], taskCount: 1, script }],
};
const definition = { job, locations: {} };

/** Jobs of one studio on a real Redis and a real store, as a submission leaves them. */
export class StoredJobs {
  readonly studio: StudioId = studioIdSchema.parse('pixels');
  readonly jobs: JobStore;
  readonly deletions: DeletionStore;
  private readonly control: ControlStore;
  private readonly objects: ObjectStore;

  constructor(redis: Redis, objects: ObjectStore) {
    this.jobs = new JobStore(redis);
    this.deletions = new DeletionStore(redis);
    this.control = new ControlStore(redis);
    this.objects = objects;
  }

  async submit(
    createdAtMs: number,
    project = 'default',
    inputs: readonly InputFile[] = [],
  ): Promise<JobId> {
    const id = newJobId(systemRandom);
    const policy = policySchema.parse({});
    const record = { id, studio: this.studio, project, policy, createdAtMs };
    const file = { ...record, definition: { ...definition, inputCount: inputs.length } };
    await putJobFile(this.objects, file);
    if (inputs.length > 0) await this.objects.putJson(objectKeys.inputs(this.studio, id), inputs);
    await this.jobs.create(file);
    return id;
  }

  async end(id: JobId, atMs: number): Promise<void> {
    await this.control.cancel(id, atMs);
  }
}
