import type { ProcessEnd } from './spawn.ts';

/** What the agent tells its spawn helper. */
export type SpawnOrder =
  /** Start a program; `logPath` receives both its output streams. */
  | {
      kind: 'start';
      id: number;
      command: string;
      args: string[];
      cwd: string;
      env: Record<string, string>;
      logPath: string;
      /** What it leaves running in its process group may go on. */
      keepsGroup?: boolean;
    }
  /** Kill everything unless told otherwise within `leftMs`. */
  | { kind: 'deadline'; leftMs: number };

/** What the helper tells the agent of each start order: `started` (when it could be), then `ended`. */
export type SpawnNews =
  | { kind: 'started'; id: number; pid: number }
  | { kind: 'ended'; id: number; end: ProcessEnd };

/** Whether a message is an order. The channel is private to the two processes of one release. */
export function isSpawnOrder(message: unknown): message is SpawnOrder {
  if (typeof message !== 'object' || message === null || !('kind' in message)) return false;
  return message.kind === 'start' || message.kind === 'deadline';
}

/** Whether a message is news of a start order. */
export function isSpawnNews(message: unknown): message is SpawnNews {
  if (typeof message !== 'object' || message === null || !('kind' in message)) return false;
  return message.kind === 'started' || message.kind === 'ended';
}
