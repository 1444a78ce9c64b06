import { describe, expect, it } from 'vitest';
import { exampleJob, exampleStep, runTask } from './example-job.ts';

describe('examples/hello', () => {
  it('makes five tasks of one line each, with no shell in between', async () => {
    const example = await exampleJob('hello', { Name: 'you $(false); {} %s' });
    expect(exampleStep(example, 'Greet').taskCount).toBe(5);
    const result = await runTask(example, 'Greet', 4, { paths: {} });
    expect(result.code).toBe(0);
    expect(result.stdout.toString()).toBe('Hello you $(false); {} %s, this is task 5 of 5.\n');
  });
});
