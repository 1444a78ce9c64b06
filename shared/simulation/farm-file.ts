import { z } from 'zod';
import type { Problem, RawProblem } from '../openjd/problem.ts';
import {
  limitSettingsSchema,
  poolNameSchema,
  poolSettingsSchema,
  shareSettingsSchema,
} from '../protocol/farm-settings.ts';
import { studioIdSchema } from '../protocol/ids.ts';
import { latencyMsSchema } from '../protocol/inventory.ts';
import { limitNameSchema, projectSchema } from '../protocol/job.ts';
import { pricesSchema } from '../protocol/prices.ts';
import { fieldMap } from '../recipes/field-problems.ts';
import type { Result } from '../result.ts';
import { readSettings } from './read-settings.ts';

const word = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$/, 'a short name');
const hours = z.number().min(0).max(1_000_000);

const gpusSchema = fieldMap('gpus', {
  count: z.int().min(1).max(64),
  model: z.string().min(1).max(100),
  memoryGib: z.number().min(0).max(10_000),
});

/** Machines that are alike. */
const nodeGroupSchema = fieldMap('a group of nodes', {
  name: word,
  count: z.int().min(1).max(100_000),
  /** Most leases at once on each. */
  slots: z.int().min(1).max(4096),
  cores: z.number().min(1).max(4096),
  memoryGib: z.number().min(0).max(1_000_000),
  scratchGib: z.number().min(0).max(10_000_000).default(1000),
  gpus: gpusSchema.optional(),
  region: word.optional(),
  site: word.optional(),
  pool: poolNameSchema.optional(),
  tags: z.array(word).max(50).default([]),
  /** Program to version: {"blender": "4.2.1"}. */
  software: z.record(z.string(), z.string()).default({}),
  latencyMs: latencyMsSchema.default({}),
  prices: fieldMap('prices', pricesSchema.shape).default({}),
  /** Mean time to failure of one node; without it none fails. */
  mttfHours: z.number().min(0.001).max(10_000_000).optional(),
  /** Mean time a failed node is away. */
  repairMinutes: z.number().min(0).max(1_000_000).default(30),
  joinsAtHours: hours.default(0),
  /** Goes for good, and its running work with it. */
  leavesAtHours: hours.optional(),
});
export type NodeGroup = z.infer<typeof nodeGroupSchema>;

/** Budgets are not simulated: a trace tells nothing of what was spent before it. */
const { budgetCoreHours: _, ...shares } = shareSettingsSchema.shape;
const projectShareSchema = fieldMap('a project', { name: projectSchema, ...shares });
const studioShareSchema = fieldMap('a studio', {
  name: studioIdSchema,
  ...shares,
  /** A demand that waited longer than this was not met, whatever came later. */
  patienceMinutes: z.number().min(0).max(1_000_000).optional(),
  projects: z.array(projectShareSchema).max(1000).default([]),
});
export type StudioShare = z.infer<typeof studioShareSchema>;

export const farmFileSchema = fieldMap('a farm', {
  /** Of the decay of what studios used. */
  halfLifeHours: z.number().min(0.01).max(100_000).default(24),
  patienceMinutes: z.number().min(0).max(1_000_000).default(240),
  /** Failures that are a task's own fault. */
  tasks: fieldMap('tasks', {
    failurePercent: z.number().min(0).max(100).default(0),
    maxRetriesPerTask: z.int().min(0).max(100).default(3),
  }).prefault({}),
  /** As KARST_SPAN_TARGET_MS and KARST_SPAN_TASKS_MAX. */
  spans: fieldMap('spans', {
    targetSeconds: z.number().min(0.001).max(86_400).default(30),
    tasksMax: z.int().min(1).max(1000).default(500),
  }).prefault({}),
  /** As KARST_PREEMPT_AFTER_MS and KARST_PREEMPT_MIN_RUN_MS. Off unless asked for: it costs far more time. */
  preempt: fieldMap('preempt', {
    on: z.boolean().default(false),
    afterSeconds: z.number().min(0).max(1_000_000).default(10),
    minRunSeconds: z.number().min(0).max(1_000_000).default(0),
  }).prefault({}),
  nodes: z.array(nodeGroupSchema).min(1).max(10_000),
  studios: z.array(studioShareSchema).max(10_000).default([]),
  limits: z.record(limitNameSchema, limitSettingsSchema).default({}),
  pools: z.record(poolNameSchema, poolSettingsSchema.omit({ schedule: true })).default({}),
});
export type FarmFile = z.infer<typeof farmFileSchema>;

/** FARM.yaml of `karst simulate`. Every problem of the file, with line and column. */
export const parseFarmFile = (source: string): Result<FarmFile, Problem[]> =>
  readSettings(source, farmFileSchema, crossCheck);

function crossCheck({ nodes, studios }: FarmFile): RawProblem[] {
  const problems: RawProblem[] = [
    ...repeated(nodes, 'nodes'),
    ...repeated(studios, 'studios'),
    ...studios.flatMap(({ projects }, at) => repeated(projects, 'studios', at, 'projects')),
  ];
  for (const [at, { joinsAtHours, leavesAtHours }] of nodes.entries()) {
    if (leavesAtHours === undefined || leavesAtHours > joinsAtHours) continue;
    const path = ['nodes', at, 'leavesAtHours'];
    const message = `expected more than joinsAtHours (${joinsAtHours}), found ${leavesAtHours}`;
    problems.push({ path, message });
  }
  return problems;
}

function repeated(named: readonly { name: string }[], ...path: (string | number)[]): RawProblem[] {
  const seen = new Set<string>();
  return named.flatMap(({ name }, at) => {
    if (!seen.has(name)) {
      seen.add(name);
      return [];
    }
    return [
      { path: [...path, at, 'name'], message: `expected names once each, found "${name}" twice` },
    ];
  });
}
