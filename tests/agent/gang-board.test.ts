import { createServer } from 'node:net';
import { addressTowards, GangBoard, gangVariables } from '@karst/agent/sync/gang-board.ts';
import { newLeaseId } from '@karst/shared/protocol/ids.ts';
import { systemRandom } from '@karst/shared/random.ts';
import { expect, it } from 'vitest';

const leaseId = newLeaseId(systemRandom);
const start = {
  leaseId,
  epoch: 7,
  members: [
    { task: 0, host: '10.0.0.1', port: 4000 },
    { task: 1, host: 'fd00::2', port: 4001 },
  ],
};

it('tells a task its rank and where all of them are, IPv6 too', () => {
  expect(gangVariables(start, 1)).toEqual({
    KARST_GANG_EPOCH: '7',
    KARST_GANG_RANK: '1',
    KARST_GANG_SIZE: '2',
    KARST_GANG_MEMBERS: '10.0.0.1:4000,[fd00::2]:4001',
    MASTER_ADDR: '10.0.0.1',
    MASTER_PORT: '4000',
    RANK: '1',
    WORLD_SIZE: '2',
    LOCAL_RANK: '0',
  });
});

it('is ready from when it joins until its gang begins, or it is to end', async () => {
  let news = 0;
  const board = new GangBoard(
    async () => '10.0.0.1',
    () => {
      news += 1;
    },
  );
  const joined = board.join(leaseId, new AbortController().signal);
  await expect.poll(() => news).toBe(1);
  expect(board.ready).toMatchObject([{ leaseId, host: '10.0.0.1' }]);
  board.started({ ...start, leaseId: newLeaseId(systemRandom) });
  expect(board.ready).toHaveLength(1);
  board.started(start);
  expect(await joined).toEqual(start);
  expect(board.ready).toEqual([]);

  const stop = new AbortController();
  const given = board.join(leaseId, stop.signal);
  await expect.poll(() => news).toBe(2);
  stop.abort();
  expect(await given).toBeUndefined();
  expect(board.ready).toEqual([]);
});

it('is reached at the address that leads to the orchestrator', async () => {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  expect(await addressTowards(new URL(`http://127.0.0.1:${port}`))).toBe('127.0.0.1');
  await new Promise((resolve) => server.close(resolve));
  await expect(addressTowards(new URL(`http://127.0.0.1:${port}`))).rejects.toThrow('ECONNREFUSED');
});
