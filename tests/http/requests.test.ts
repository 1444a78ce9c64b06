import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, problemIn } from './call.ts';
import { startFarm, type TestFarm } from './test-farm.ts';

let farm: TestFarm;
let key: string;
beforeAll(async () => {
  farm = await startFarm({
    submitJob: async () => {
      throw new Error('a bug with a secret inside');
    },
  });
  key = await farm.keyOf('admin');
});
afterAll(() => farm.close());

const submit = (body: unknown, headers: Record<string, string> = {}) =>
  call(farm.url, 'POST', '/v1/jobs', { key, body, headers });

describe('a request that is not valid', () => {
  it('is told where, what was found and what was expected', async () => {
    const answer = await submit({
      template: 'x',
      policy: { priority: 'x' },
      inputs: [{ path: 7 }],
    });
    const problem = problemIn(answer);
    expect(problem).toMatchObject({ status: 400, code: 'invalid_request', retryable: false });
    expect(problem.errors).toEqual([
      {
        path: ['body', 'policy', 'priority'],
        message: 'found "x", expected an integer from 0 to 100',
      },
      { path: ['body', 'inputs', 0, 'path'], message: 'found 7, expected a string' },
      { path: ['body', 'inputs', 0, 'sha256'], message: 'found nothing, expected a string' },
      {
        path: ['body', 'inputs', 0, 'sizeBytes'],
        message: 'found nothing, expected an integer ≥ 0',
      },
    ]);
  });

  it('is told the bound it broke', async () => {
    const { errors } = problemIn(await submit({ template: 'x', policy: { priority: 101 } }));
    expect(errors?.[0]?.message).toBe('found 101, expected an integer from 0 to 100');
  });

  it('is told unknown fields by name', async () => {
    const { errors } = problemIn(await submit({ template: 'x', polici: {}, policy: { prio: 1 } }));
    expect(errors?.map((error) => error.path.join('.')).sort()).toEqual([
      'body.polici',
      'body.policy.prio',
    ]);
  });

  it('is told both choices where a value may be of two kinds', async () => {
    const { errors } = problemIn(await submit({ template: 3 }));
    expect(errors).toEqual([
      { path: ['body', 'template'], message: 'found 3, expected a string or an object' },
    ]);
  });

  it('is told what a path parameter should look like', async () => {
    const problem = problemIn(await call(farm.url, 'GET', '/v1/jobs/nonsense', { key }));
    expect(problem.errors).toEqual([
      {
        path: ['params', 'jobId'],
        message: 'found "nonsense", expected a job id such as job-0123456789abcdef0123',
      },
    ]);
  });

  it('is told about bad, unknown and repeated query parameters', async () => {
    const query = 'limit=many&stat=failed&cursor=a&cursor=b';
    const { errors } = problemIn(await call(farm.url, 'GET', `/v1/jobs?${query}`, { key }));
    expect(errors?.map((error) => [error.path.join('.'), error.message])).toEqual([
      ['query.cursor', 'found a list of 2, expected a string'],
      ['query.limit', 'found "many", expected an integer from 1 to 1000'],
      ['query.stat', 'found unknown field "stat", expected none of this name'],
    ]);
  });

  it.each([
    ['is not JSON', '{"template": ', 400, 'invalid_request'],
    ['is a list', '[]', 400, 'invalid_request'],
    ['is null', 'null', 400, 'invalid_request'],
    ['is empty', '', 400, 'invalid_request'],
  ])('is refused when its body %s', async (_what, body, status, code) => {
    expect(problemIn(await submit(body))).toMatchObject({ status, code });
  });

  it('is refused when its body is not UTF-8', async () => {
    const response = await fetch(`${farm.url}/v1/jobs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: Buffer.from([0x22, 0xff, 0x22]),
    });
    expect(await response.json()).toMatchObject({ detail: 'The body is not valid UTF-8.' });
  });

  it('is refused when it is another media type or compressed', async () => {
    const text = await submit('template: x', { 'content-type': 'application/yaml' });
    expect(problemIn(text)).toMatchObject({ status: 415, code: 'unsupported_media_type' });
    const zip = await submit('{}', { 'content-encoding': 'gzip' });
    expect(problemIn(zip)).toMatchObject({ status: 415, code: 'unsupported_media_type' });
  });

  it('is refused when it is larger than its route takes', async () => {
    const body = JSON.stringify({ ttlSeconds: 60, filler: 'x'.repeat(1024 * 1024) });
    const answer = await call(farm.url, 'POST', '/v1/enrollment-tokens', { key, body });
    expect(problemIn(answer)).toMatchObject({ status: 413, code: 'payload_too_large' });
    expect(answer.headers.get('connection')).toBe('close');
  });

  it('is accepted at 30 MB where whole jobs are submitted', async () => {
    const answer = await submit({ template: 'x', parameters: { a: 'x'.repeat(30 * 1024 * 1024) } });
    expect(problemIn(answer).code).toBe('internal');
  });

  it('is refused when its idempotency key is not visible ASCII', async () => {
    const { errors } = problemIn(await submit({ template: 'x' }, { 'idempotency-key': 'a b' }));
    expect(errors?.[0]?.path).toEqual(['headers', 'idempotency-key']);
  });

  it('is refused when its path is broken percent-encoding', async () => {
    const problem = problemIn(await call(farm.url, 'GET', '/v1/jobs/%E0%A4%A', { key }));
    expect(problem).toMatchObject({ status: 400, code: 'invalid_request' });
  });
});

describe('a path or method that is not in the table', () => {
  it('answers 404 with a problem', async () => {
    const problem = problemIn(await call(farm.url, 'GET', '/v1/nothing', { key }));
    expect(problem).toMatchObject({ status: 404, code: 'not_found' });
  });

  it('answers 405 and says which methods there are', async () => {
    const answer = await call(farm.url, 'DELETE', '/v1/jobs', { key });
    expect(problemIn(answer)).toMatchObject({ status: 405, code: 'method_not_allowed' });
    expect(answer.headers.get('allow')).toBe('GET, POST');
  });
});

describe('a failure of ours', () => {
  it('answers 500 with an id and nothing of its cause', async () => {
    const answer = await submit({ template: 'x' });
    const problem = problemIn(answer);
    expect(problem).toMatchObject({ status: 500, code: 'internal', retryable: true });
    expect(problem.instance).toBe(answer.headers.get('x-request-id'));
    expect(JSON.stringify(answer.body)).not.toContain('secret');
  });
});

describe('a client that goes away', () => {
  it('in the middle of its body leaves the server serving', async () => {
    const socket = connect(Number(new URL(farm.url).port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write(
      `POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n` +
        'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"a',
    );
    socket.destroy();
    expect((await call(farm.url, 'GET', '/livez')).status).toBe(200);
  });
});
