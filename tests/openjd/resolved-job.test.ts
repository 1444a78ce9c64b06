import { resolvedJobSchema } from '@karst/shared/openjd/create-job.ts';
import { describe, expect, test } from 'vitest';
import { created, refused } from './creating.ts';

const ranged = (range: unknown, type = 'INT', more: unknown[] = []) => ({
  taskParameterDefinitions: [{ name: 'T', type, range }, ...more],
});
const range = 'steps[0].parameterSpace.taskParameterDefinitions[0].range';

describe('task counts', () => {
  const wide = ranged('1-10000000');

  test('a range above the limit is refused at the range, with both numbers', () => {
    expect(refused({ space: wide }, {}, { tasksPerJobMax: 1_000_000 })).toEqual([
      `${range}: this step makes 10000000 tasks; expected at most 1000000 tasks in a job`,
    ]);
  });

  test('a product is refused at its longest range', () => {
    const space = ranged([1, 2], 'INT', [{ name: 'U', type: 'INT', range: '1-600000' }]);
    expect(refused({ space }, {}, { tasksPerJobMax: 1_000_000 })).toEqual([
      'steps[0].parameterSpace.taskParameterDefinitions[1].range: this step makes 1200000 tasks; expected at most 1000000 tasks in a job',
    ]);
  });

  test('steps that are too many only together are refused at the steps', () => {
    const step = {
      script: { actions: { onRun: { command: 'a' } } },
      parameterSpace: ranged('1-6'),
    };
    const root = {
      steps: [
        { name: 'A', ...step },
        { name: 'B', ...step },
      ],
    };
    expect(refused({ root }, {}, { tasksPerJobMax: 11 })).toEqual([
      'steps: the steps make 12 tasks together; expected at most 11 tasks in a job',
    ]);
    expect(created({ root }, {}, { tasksPerJobMax: 12 }).steps).toHaveLength(2);
  });

  test('more tasks than a number can count are refused without a limit', () => {
    const many = { name: 'U', type: 'INT', range: '1-9223372036854775807' };
    expect(refused({ space: ranged('1-1000', 'INT', [many]) })).toEqual([
      expect.stringContaining('9223372036854775807000 tasks'),
    ]);
  });

  test('a million tasks cost what ten do: the job has the same size', () => {
    const small = JSON.stringify(created({ space: ranged('1-10') }));
    const large = JSON.stringify(created({ space: ranged('1-1000000') }));
    expect(large.length - small.length).toBeLessThan(20);
  });
});

describe('the resolved job', () => {
  test('holds everything an agent needs, as plain JSON of its schema', () => {
    const job = created(
      {
        root: {
          description: 'Demo',
          steps: [
            {
              name: 'Film',
              dependencies: [{ dependsOn: 'Render' }],
              script: {
                actions: {
                  onRun: {
                    command: 'ffmpeg',
                    timeout: 9,
                    cancelation: { mode: 'NOTIFY_THEN_TERMINATE', notifyPeriodInSeconds: 5 },
                  },
                },
              },
            },
            {
              name: 'Render',
              parameterSpace: ranged('3,1-2'),
              script: {
                actions: {
                  onRun: {
                    command: 'sh',
                    args: ['{{Task.File.Run}}'],
                    cancelation: { mode: 'NOTIFY_THEN_TERMINATE' },
                  },
                },
                embeddedFiles: [
                  { name: 'Run', type: 'TEXT', data: 'x' },
                  { name: 'Conf', type: 'TEXT', data: 'y', filename: 'Run', runnable: true },
                ],
              },
            },
          ],
        },
      },
      {},
    );
    expect(resolvedJobSchema.parse(JSON.parse(JSON.stringify(job)))).toEqual(job);
    expect(job).toEqual({
      name: 'job',
      description: 'Demo',
      parameters: {},
      steps: [
        {
          name: 'Film',
          dependsOn: [1],
          taskCount: 1,
          script: {
            onRun: {
              command: 'ffmpeg',
              args: [],
              timeoutSeconds: 9,
              cancelation: { mode: 'NOTIFY_THEN_TERMINATE', notifyPeriodSeconds: 5 },
            },
            embeddedFiles: [],
          },
        },
        {
          name: 'Render',
          dependsOn: [],
          taskCount: 3,
          parameterSpace: {
            parameters: [{ name: 'T', type: 'INT', range: '1-2,3' }],
            combination: 'T',
          },
          script: {
            onRun: {
              command: 'sh',
              args: ['{{Task.File.Run}}'],
              cancelation: { mode: 'NOTIFY_THEN_TERMINATE', notifyPeriodSeconds: 120 },
            },
            embeddedFiles: [
              { name: 'Run', filename: 'Run-2', runnable: false, data: 'x' },
              { name: 'Conf', filename: 'Run', runnable: true, data: 'y' },
            ],
          },
        },
      ],
    });
  });
});
