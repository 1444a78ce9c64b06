import type { Grant, LeaseDefinition } from '@karst/shared/protocol/lease.ts';
import type { Random } from '@karst/shared/random.ts';
import { ok, type Result } from '@karst/shared/result.ts';
import type { OrchestratorClient } from './http/orchestrator-client.ts';
import { type GivenUp, persist } from './http/persist.ts';

const keptMax = 32;

/** What steps run, kept by job and step: the same for every lease under the same revision but for tasks added. */
export class Definitions {
  readonly #client: OrchestratorClient;
  readonly #random: Random;
  readonly #kept = new Map<string, LeaseDefinition>();

  constructor(client: OrchestratorClient, random: Random) {
    this.#client = client;
    this.#random = random;
  }

  async get(grant: Grant, ended: AbortSignal): Promise<Result<LeaseDefinition, GivenUp>> {
    const key = `${grant.jobId} ${grant.step}`;
    const known = this.#kept.get(key);
    // Tasks may have been added to the step since it was fetched: they stand behind those it had then.
    const knows = known !== undefined && grant.last < known.definition.taskCount;
    if (knows && known.revision === grant.revision) return ok(known);
    const fetched = await persist(
      () => this.#client.definition(grant.leaseId, ended),
      this.#random,
      ended,
    );
    if (fetched.ok) this.#keep(key, fetched.value);
    return fetched;
  }

  #keep(key: string, definition: LeaseDefinition): void {
    this.#kept.delete(key);
    this.#kept.set(key, definition);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > keptMax && oldest !== undefined) this.#kept.delete(oldest);
  }
}
