import { suggestion } from '@karst/shared/openjd/near-miss.ts';
import type { StudioId } from '@karst/shared/protocol/ids.ts';
import type { Policy } from '@karst/shared/protocol/job.ts';
import type { FieldError } from '@karst/shared/protocol/problem.ts';
import { ProblemError } from '../http/handler.ts';
import type { FarmSettings } from '../settings/farm-settings.ts';
import type { NodeStore } from '../store/node-store.ts';

export interface PolicyParts {
  settings: FarmSettings;
  nodes: NodeStore;
}

export type CheckedPolicy = Pick<Policy, 'limits' | 'placement' | 'priorityClass'>;

/**
 * Refuses limits and pools that are not there, and a pool that never takes such jobs: a job that names
 * one would wait for ever. `path`: where the policy stands in the request's body.
 * Throws ProblemError invalid_policy.
 */
export async function checkPolicy(
  { settings, nodes }: PolicyParts,
  studio: StudioId,
  policy: CheckedPolicy,
  path: readonly string[],
): Promise<void> {
  const { pool } = policy.placement;
  const known =
    policy.limits.every((name) => settings.limit(name) !== undefined) &&
    (pool === undefined || settings.poolSettings().has(pool));
  // What another replica was told a moment ago counts.
  if (!known) await settings.load();
  const errors: FieldError[] = policy.limits.flatMap((name, i) =>
    settings.limit(name) === undefined
      ? [{ path: [...path, 'limits', i], message: unknownLimit(settings, name) }]
      : [],
  );
  const wrong = await poolProblem({ settings, nodes }, studio, policy);
  if (wrong !== undefined) errors.push({ path: [...path, 'placement', 'pool'], message: wrong });
  const [first] = errors;
  if (first !== undefined) throw new ProblemError('invalid_policy', first.message, errors);
}

function unknownLimit(settings: FarmSettings, name: string): string {
  const names = settings.limitNames();
  const there = names.length === 0 ? 'none is defined' : `there are ${names.join(', ')}`;
  return `the farm has no limit "${name}"${suggestion(name, names)} (${there})`;
}

async function poolProblem(
  { settings, nodes }: PolicyParts,
  studio: StudioId,
  { placement: { pool }, priorityClass }: CheckedPolicy,
): Promise<string | undefined> {
  if (pool === undefined) return undefined;
  const set = settings.poolSettings().get(pool);
  if (set === undefined) {
    const counts = await nodes.countByPool();
    if (counts.has(pool)) return undefined;
    const open = [...settings.poolSettings()].filter(([, { studios }]) => admits(studios, studio));
    const names = [...new Set([...open.map(([name]) => name), ...counts.keys()])].sort();
    return `the farm has no pool "${pool}"${suggestion(pool, names)}`;
  }
  if (!admits(set.studios, studio)) return `the pool "${pool}" takes no jobs of studio ${studio}`;
  if (set.classes === undefined || set.classes.includes(priorityClass)) return undefined;
  const classes = set.classes.join(' and ');
  return `the pool "${pool}" takes jobs of class ${classes} only, this one is ${priorityClass}`;
}

const admits = (studios: readonly StudioId[] | undefined, studio: StudioId): boolean =>
  studios === undefined || studios.includes(studio);
