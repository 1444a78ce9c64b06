import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connections } from '@karst/agent/http/exchange.ts';
import { openDownload, putFile } from '@karst/agent/http/transfer.ts';
import { NetworkError, readText, sendHttp } from '@karst/cli/api/http.ts';
import { expect, it, onTestFinished } from 'vitest';

/** Storage that keeps a connection open and does nothing with it any more; downloads are in asset-cache.test.ts. */
const STALL_MS = 300;
const FILE_BYTES = 32 * 1024 * 1024;
const never = new AbortController().signal;

async function storage(serve: RequestListener): Promise<string> {
  const server = createServer(serve).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening');
  return `http://127.0.0.1:${address.port}/object`;
}

/** Reads the first bytes of a body, then no more. */
const stopsReading: RequestListener = (request) => {
  request.once('data', () => request.pause());
};

/** Sends half of what it says, then no more. */
const stopsSending: RequestListener = (_, response) => {
  response.writeHead(200, { 'content-length': '2000' });
  response.write(Buffer.alloc(1000));
};

const neverAnswers: RequestListener = (request) => {
  request.resume();
};

function agentConnections(): Connections {
  const connections = new Connections(STALL_MS);
  onTestFinished(() => connections.close());
  return connections;
}

async function fileRange() {
  const dir = await mkdtemp(join(tmpdir(), 'karst-silent-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  const path = join(dir, 'frame.exr');
  await writeFile(path, Buffer.alloc(FILE_BYTES));
  return { path, start: 0, end: FILE_BYTES };
}

it.each([
  ['takes no more of an upload', stopsReading],
  ['answers no upload', neverAnswers],
])('an agent gives storage up that %s', async (_, serve) => {
  const url = await storage(serve);
  const put = await putFile(agentConnections(), url, {}, await fileRange(), never);
  expect(put).toMatchObject({ ok: false, error: { message: `stalled for ${STALL_MS} ms` } });
});

it('an agent gives storage up that answers no download', async () => {
  const opened = await openDownload(agentConnections(), await storage(neverAnswers), never);
  expect(opened).toMatchObject({ ok: false, error: { message: `stalled for ${STALL_MS} ms` } });
});

it.each([
  ['takes no more of an upload', stopsReading],
  ['answers no upload', neverAnswers],
])('the CLI gives storage up that %s', async (_, serve) => {
  async function* body() {
    for (let left = FILE_BYTES; left > 0; left -= 65_536) yield Buffer.alloc(65_536);
  }
  const sent = sendHttp({
    method: 'PUT',
    url: new URL(await storage(serve)),
    headers: { 'Content-Length': String(FILE_BYTES) },
    body: body(),
    idleMsMax: STALL_MS,
  });
  await expect(sent).rejects.toThrow(NetworkError);
});

it('the CLI gives storage up that stops in the midst of a download', async () => {
  const url = new URL(await storage(stopsSending));
  const answer = await sendHttp({ method: 'GET', url, idleMsMax: STALL_MS });
  await expect(readText(answer, 10_000)).rejects.toThrow(NetworkError);
});
