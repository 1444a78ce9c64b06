import type { NodeId } from '@karst/shared/protocol/ids.ts';
import type { RunnableStep } from '../dispatch/runnable-steps.ts';
import { putsAhead } from '../scheduler/ahead.ts';
import { GANG_GATE, priorityClasses } from '../scheduler/ranking.ts';
import { mayRun } from '../store/job-record.ts';
import type { NodeStanding } from '../store/node-store.ts';
import { type GangStep, Gathering, type GatheringParts, type HeldRoom } from './gathering.ts';

export interface GatherParts extends GatheringParts {
  /** Nothing of the step waits that may run: it comes back with its next wake-up. */
  forget(step: RunnableStep): void;
}

/**
 * waiting: a gang waits for room that is kept for it, or for its nodes to be ready. looking: one found
 * none, or may not look yet. idle: there is no gang.
 */
export type Gathered = 'idle' | 'looking' | 'waiting';

/**
 * Finds room for steps whose tasks run all at once; one replica at a time. Room is kept for all of a
 * gang's tasks or for none: on nodes where there is some, and on those where some will soon be freed.
 * Once all of it is free the tasks may be leased. `mayLook`: whether those without room look for it,
 * which costs a look at every node.
 */
export async function gatherGangs(parts: GatherParts, mayLook: boolean): Promise<Gathered> {
  const steps = waitingGangs(parts);
  if (steps.length === 0) return 'idle';
  const token = parts.random.uuid();
  if (!(await parts.preempts.lock(token))) return 'waiting';
  try {
    return await gatherAlone(parts, steps, mayLook);
  } finally {
    await parts.preempts.unlock(token);
  }
}

async function gatherAlone(
  parts: GatherParts,
  steps: readonly GangStep[],
  mayLook: boolean,
): Promise<Gathered> {
  const nowMs = parts.clock.nowMs();
  const keeping = await standings(parts, await parts.preempts.nodes(), nowMs);
  let all: readonly NodeStanding[] | undefined;
  let gathered: Gathered = 'idle';
  for (const step of steps) {
    const record = await parts.jobs.step(step.jobId, step.step);
    if (record === undefined || !mayRun(record) || record.gang_state === 'started') {
      parts.forget(step);
      continue;
    }
    const held = roomsOf(step, keeping);
    const gathering = new Gathering(parts, step, held, nowMs);
    const isBusy =
      (await gathering.tendVerdict(record)) || (await gathering.tendOpen(record, keeping));
    const tasks = isBusy ? undefined : await gathering.tasksIn(record);
    if (tasks !== undefined && held.length > 0) await gathering.tendRooms(tasks, keeping);
    if (tasks === undefined || held.length > 0) {
      gathered = 'waiting';
      continue;
    }
    if (gathered === 'idle') gathered = 'looking';
    if (!mayLook) continue;
    all ??= await standings(parts, await parts.nodes.onClock(), nowMs);
    // What it keeps now the others must see: their turn is the next time.
    if (await gathering.findRoom(tasks, all)) return 'waiting';
  }
  return gathered;
}

/** Those first that go first. */
function waitingGangs({ scheduler: { ranking } }: GatherParts): GangStep[] {
  const steps = [...ranking.behind(GANG_GATE)].filter(isGang);
  const rank = (step: RunnableStep) => priorityClasses.indexOf(step.priorityClass);
  return steps.sort(
    (a, b) => rank(a) - rank(b) || (putsAhead(ranking, a, b) === undefined ? 1 : -1),
  );
}

const isGang = (step: RunnableStep): step is GangStep => step.gang !== undefined;

async function standings(
  { nodes }: GatherParts,
  ids: readonly NodeId[],
  nowMs: number,
): Promise<NodeStanding[]> {
  const read = await Promise.all(ids.map((id) => nodes.standing(id, nowMs)));
  return read.filter((node) => node !== undefined);
}

function roomsOf({ jobId, step }: GangStep, nodes: readonly NodeStanding[]): HeldRoom[] {
  return nodes.flatMap(({ nodeId, preempts }) =>
    preempts
      .filter((room) => room.reason === 'gang' && room.jobId === jobId && room.step === step)
      .map((room) => ({ nodeId, room })),
  );
}
