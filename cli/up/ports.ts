import net from 'node:net';
import { type Clock, sleep } from '@karst/shared/clock.ts';
import { errnoCode } from '../failure.ts';

/** A loopback port nobody listens on. */
export async function freePort(): Promise<number> {
  const port = await listenBriefly(0);
  if (port === undefined) throw new Error('no free port');
  return port;
}

export async function isPortFree(port: number): Promise<boolean> {
  return (await listenBriefly(port)) !== undefined;
}

/** Waits for a process that is ending to let go of its port. Answers whether it did. */
export async function portFreed(port: number, waitMs: number, clock: Clock): Promise<boolean> {
  const deadlineMs = clock.monotonicMs() + waitMs;
  while (!(await isPortFree(port))) {
    if (clock.monotonicMs() >= deadlineMs) return false;
    await sleep(100);
  }
  return true;
}

/** Answers the port it could listen on, undefined when it is taken. */
function listenBriefly(port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.on('error', (error) => {
      const code = errnoCode(error);
      if (code === 'EADDRINUSE' || code === 'EACCES') resolve(undefined);
      else reject(error);
    });
    server.listen({ port, host: '127.0.0.1' }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? address?.port : undefined));
    });
  });
}
