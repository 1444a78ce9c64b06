import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { Handlers } from '@karst/orchestrator/http/handler.ts';
import { startServer } from '@karst/orchestrator/http/server.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, problemIn } from './call.ts';
import { logger, startFarm, startReplica, type TestFarm } from './test-farm.ts';

let farm: TestFarm;
let key: string;
beforeAll(async () => {
  farm = await startFarm();
  key = await farm.keyOf('read');
});
afterAll(() => farm.close());

describe('an orchestrator that stops', () => {
  it('answers waiting calls at once, others with shutting_down, and then is gone', async () => {
    const waiting = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const listSteps: Handlers['listSteps'] = async (_input, { signal }) => {
      waiting.resolve();
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      await held.promise;
      return { items: [] };
    };
    const replica = await startReplica(farm.redisProcess, farm.objects, { listSteps });
    // A connection that is open before the end, as an agent's is.
    await call(replica.url, 'GET', '/livez');
    const answer = call(replica.url, 'GET', '/v1/jobs/job-0123456789abcdef0123/steps', { key });
    await waiting.promise;
    const closed = replica.close();
    held.resolve();
    expect(await answer).toMatchObject({ status: 200, body: { items: [] } });
    expect((await answer).headers.get('connection')).toBe('close');
    await closed;
    await expect(call(replica.url, 'GET', '/livez')).rejects.toThrow();
  });

  it('says shutting_down on connections that are still open', async () => {
    const replica = await startReplica(farm.redisProcess, farm.objects);
    replica.shutdown.abort();
    const problem = problemIn(await call(replica.url, 'GET', '/v1/whoami', { key }));
    expect(problem).toMatchObject({ status: 503, code: 'shutting_down', retryable: true });
    expect(problemIn(await call(replica.url, 'GET', '/readyz')).code).toBe('shutting_down');
    expect((await call(replica.url, 'GET', '/livez')).status).toBe(200);
    await replica.close();
  });

  it('cuts off what still runs after the drain time', async () => {
    const started = Promise.withResolvers<void>();
    const server = await startServer(
      () => started.resolve(),
      { host: '127.0.0.1', port: 0 },
      new AbortController(),
      logger,
    );
    const answer = fetch(server.url);
    await started.promise;
    const refused = expect(answer).rejects.toThrow();
    await server.close(100);
    await refused;
  });
});

describe('a waiting call', () => {
  it('learns that its client went away', async () => {
    const waiting = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    const listSteps: Handlers['listSteps'] = async (_input, { signal }) => {
      signal.addEventListener('abort', () => gone.resolve());
      waiting.resolve();
      await gone.promise;
      return { items: [] };
    };
    const replica = await startReplica(farm.redisProcess, farm.objects, { listSteps });
    const stop = new AbortController();
    const answer = fetch(`${replica.url}/v1/jobs/job-0123456789abcdef0123/steps`, {
      signal: stop.signal,
      headers: { authorization: `Bearer ${key}` },
    });
    await waiting.promise;
    stop.abort();
    await expect(answer).rejects.toThrow();
    await gone.promise;
    await replica.close();
  });
});

describe('listening', () => {
  const start = (host: string, more: object = {}) =>
    startServer(() => undefined, { host, port: 0, ...more }, new AbortController(), logger);

  it('beyond this machine is refused without TLS', async () => {
    await expect(start('0.0.0.0')).rejects.toThrow(/refusing plain HTTP on 0\.0\.0\.0/);
    await expect(start('::')).rejects.toThrow(/refusing plain HTTP/);
  });

  it('beyond this machine is possible when it is asked for by name', async () => {
    const server = await start('0.0.0.0', { allowInsecureBind: true });
    await server.close();
  });

  it('with a key and a certificate speaks TLS only', async () => {
    const file = (name: string) => fileURLToPath(new URL(`tls/${name}.pem`, import.meta.url));
    const tls = { keyFile: file('key'), certFile: file('cert') };
    const server = await startServer(
      (_request, response) => response.end('hello'),
      { host: '0.0.0.0', port: 0, tls },
      new AbortController(),
      logger,
    );
    const { port } = new URL(server.url);
    const [answer] = await once(
      get({ port, host: 'localhost', ca: readFileSync(tls.certFile), path: '/' }),
      'response',
    );
    expect(await text(answer)).toBe('hello');
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
    await server.close();
  });

  it('on a port in use fails with a clear error', async () => {
    const port = Number(new URL(farm.url).port);
    await expect(start('127.0.0.1', { port })).rejects.toThrow(/EADDRINUSE/);
  });
});
