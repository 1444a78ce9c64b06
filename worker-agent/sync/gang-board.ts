import { connect, createServer } from 'node:net';
import type { GangReady, GangStart } from '@karst/shared/protocol/gang.ts';
import type { LeaseId } from '@karst/shared/protocol/ids.ts';

/** Leases of gangs that are ready, and wait to be told that the others are, too. */
export class GangBoard {
  readonly #host: () => Promise<string>;
  readonly #news: () => void;
  readonly #waiting = new Map<LeaseId, { ready: GangReady; begin: (start: GangStart) => void }>();

  /** `host`: where other nodes reach this one. `news` is called when there is something to tell. */
  constructor(host: () => Promise<string>, news: () => void) {
    this.#host = host;
    this.#news = news;
  }

  /** Leases to be told of. */
  get ready(): GangReady[] {
    return [...this.#waiting.values()].map(({ ready }) => ready);
  }

  /** Waits until all of the lease's gang are ready; undefined when `signal` ends that. */
  async join(leaseId: LeaseId, signal: AbortSignal): Promise<GangStart | undefined> {
    const ready = { leaseId, host: await this.#host(), port: await freePort() };
    if (signal.aborted) return undefined;
    return await new Promise((resolve) => {
      const leave = () => {
        this.#waiting.delete(leaseId);
        signal.removeEventListener('abort', gone);
      };
      const gone = () => {
        leave();
        resolve(undefined);
      };
      signal.addEventListener('abort', gone);
      this.#waiting.set(leaseId, {
        ready,
        begin: (start) => {
          leave();
          resolve(start);
        },
      });
      this.#news();
    });
  }

  /** The orchestrator says that a gang begins. */
  started(start: GangStart): void {
    this.#waiting.get(start.leaseId)?.begin(start);
  }
}

/** Variables by which the processes of a gang find each other; those of torch.distributed among them. */
export function gangVariables({ epoch, members }: GangStart, task: number): Record<string, string> {
  const [first] = members;
  if (first === undefined) throw new Error('a gang without members was started');
  const rank = String(members.findIndex((member) => member.task === task));
  const size = String(members.length);
  return {
    KARST_GANG_EPOCH: String(epoch),
    KARST_GANG_RANK: rank,
    KARST_GANG_SIZE: size,
    KARST_GANG_MEMBERS: members.map(({ host, port }) => `${bracketed(host)}:${port}`).join(','),
    MASTER_ADDR: first.host,
    MASTER_PORT: String(first.port),
    RANK: rank,
    WORLD_SIZE: size,
    // A lease sees its own GPUs only.
    LOCAL_RANK: '0',
  };
}

/** An IPv6 address with brackets, so that a port can follow (RFC 3986, 3.2.2). */
const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);

/** A TCP port that nobody listens on. It may be taken before the task does: then the gang begins anew. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** This machine's address on the way to `url`: where machines that reach that most likely reach this. */
export function addressTowards({ hostname, port, protocol }: URL): Promise<string> {
  const defaultPort = protocol === 'https:' ? 443 : 80;
  return new Promise((resolve, reject) => {
    const socket = connect(port === '' ? defaultPort : Number(port), hostname);
    socket.once('error', reject);
    socket.once('connect', () => {
      const { localAddress = hostname } = socket;
      socket.destroy();
      resolve(localAddress.replace(/^::ffff:/, ''));
    });
  });
}
