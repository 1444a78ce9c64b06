import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, problemIn } from './call.ts';
import { startFarm, type TestFarm } from './test-farm.ts';

let farm: TestFarm;
beforeAll(async () => {
  farm = await startFarm({
    getNode: async () => {
      throw await farm.redis.set('x', 1).then(
        () => new Error('Redis was up'),
        (error: unknown) => error,
      );
    },
  });
});
afterAll(() => farm.close());

describe('metrics', () => {
  const scrape = async () => String((await call(farm.url, 'GET', '/metrics')).body);

  it('hold every known series from the start', async () => {
    const text = await scrape();
    for (const series of [
      'karst_tasks{state="waiting"} 0',
      'karst_jobs{state="paused"} 0',
      'karst_nodes{state="offline"} 0',
      'karst_task_attempts_total{outcome="failed",reason="timeout"} 0',
      'karst_leases_expired_total 0',
      'karst_attempts_fenced_total 0',
      'karst_stage_bytes_total{direction="output"} 0',
      'karst_output_publish_conflicts_total 0',
      'karst_task_run_seconds_count 0',
      'karst_cancel_seconds_count 0',
      'karst_redis_up 1',
      'karst_build_info{version="test",revision="unknown"} 1',
    ]) {
      expect(text.split('\n')).toContain(series);
    }
    expect(text).toMatch(/^karst_process_cpu_seconds_total /m);
  });

  it('count requests by route, never by path', async () => {
    await call(farm.url, 'GET', '/v1/jobs/job-0123456789abcdef0123', {
      key: await farm.keyOf('read'),
    });
    const text = await scrape();
    expect(text).toContain(
      'karst_http_request_duration_seconds_count{route="/v1/jobs/{jobId}",method="get",code="404"} 1',
    );
    expect(text).not.toContain('job-0123456789abcdef0123');
  });

  it('count what no route takes without its path', async () => {
    await call(farm.url, 'GET', '/wp-admin/x');
    const text = await scrape();
    expect(text).toMatch(/_count\{route="unmatched",method="get",code="404"\} 1/);
    expect(text).not.toContain('wp-admin');
  });
});

describe('while Redis is away', () => {
  let key: string;
  beforeAll(async () => {
    key = await farm.keyOf('operator');
    await call(farm.url, 'GET', '/v1/whoami', { key });
    await farm.redisProcess.kill();
    return () => farm.redisProcess.restart();
  });

  it('is alive but not ready', async () => {
    expect((await call(farm.url, 'GET', '/livez')).status).toBe(200);
    const problem = problemIn(await call(farm.url, 'GET', '/readyz'));
    expect(problem).toMatchObject({ code: 'store_unavailable', detail: 'Redis does not answer.' });
  });

  it('still has metrics, which say so', async () => {
    const { body } = await call(farm.url, 'GET', '/metrics');
    expect(String(body).split('\n')).toContain('karst_redis_up 0');
  });

  it('answers 503 and when to come back, instead of hanging', async () => {
    const answer = await call(farm.url, 'GET', '/v1/nodes/node-0123456789abcdef0123', { key });
    expect(problemIn(answer)).toMatchObject({ code: 'store_unavailable', retryable: true });
    expect(answer.headers.get('retry-after')).toBe('2');
  });

  it('answers 503 also to keys it can not look up', async () => {
    const unseen = `karst_${'1'.repeat(20)}_${'A'.repeat(43)}`;
    const answer = await call(farm.url, 'GET', '/v1/whoami', { key: unseen });
    expect(problemIn(answer).code).toBe('store_unavailable');
  });
});

it('is ready again once Redis is back', async () => {
  let answer = await call(farm.url, 'GET', '/readyz');
  while (answer.status !== 200) answer = await call(farm.url, 'GET', '/readyz');
  expect(answer.body).toEqual({ status: 'ok' });
});

it('answers 503 while Redis is full', async () => {
  const key = await farm.keyOf('operator');
  await farm.redis.config('SET', 'maxmemory', '1');
  const answer = await call(farm.url, 'GET', '/v1/nodes/node-0123456789abcdef0123', { key });
  await farm.redis.config('SET', 'maxmemory', '0');
  expect(problemIn(answer).code).toBe('store_unavailable');
});
