import { WarmJobs } from '@karst/agent/inputs/warm-jobs.ts';
import { jobIdSchema } from '@karst/shared/protocol/ids.ts';
import { WARM_JOBS_MAX } from '@karst/shared/protocol/node.ts';
import { expect, it } from 'vitest';

const job = (number: number) => jobIdSchema.parse(`job-${String(number).padStart(20, '0')}`);

it('names the jobs whose inputs still fit in the cache, those used last first', () => {
  const warm = new WarmJobs(100);
  warm.used(job(1), 50);
  warm.used(job(2), 30);
  warm.used(job(3), 20);
  expect(warm.list()).toEqual([job(3), job(2), job(1)]);
  warm.used(job(1), 50);
  expect(warm.list()).toEqual([job(1), job(3), job(2)]);
  warm.used(job(4), 40);
  expect(warm.list()).toEqual([job(4), job(1)]);
});

it('leaves out jobs without inputs, and keeps to its number', () => {
  const warm = new WarmJobs(100);
  warm.used(job(0), 0);
  expect(warm.list()).toEqual([]);
  for (let number = 1; number <= 20; number++) warm.used(job(number), 1);
  expect(warm.list()).toHaveLength(WARM_JOBS_MAX);
  expect(warm.list()[0]).toBe(job(20));
});
