import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { eventually } from '../../support/eventually.ts';
import type { Farm, FarmAgent } from '../../support/farm.ts';

/** One start of a task, as the task itself wrote it down. */
export interface Start {
  /** Base name of the agent's directory: which agent ran it. */
  agent: string;
  leaseId: string;
  pid: number;
}

/** Shell that a task notes its start with; $1 is the marks' directory, $2 the task's number. */
export const noteStart =
  'echo "$' + '{KARST_NODE_DIR##*/} $KARST_LEASE_ID $$" >> "$1/started-$2"; ';

/** Shell that waits until the test opens the gate `name` (shell text, quoted by the caller). */
export const waitFor = (name: string) => `until [ -e "$1/${name}" ]; do sleep 0.05; done; `;

/** Files through which a test and its tasks tell each other how far they are. */
export class Marks {
  readonly dir: string;

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async make(farm: Farm): Promise<Marks> {
    return new Marks(await mkdtemp(join(farm.dir, 'marks-')));
  }

  /** Opens a gate that tasks wait at. */
  async open(name: string): Promise<void> {
    await writeFile(join(this.dir, name), '');
  }

  /** Lines of a mark; none when no task has written it. */
  async lines(name: string): Promise<string[]> {
    try {
      return (await readFile(join(this.dir, name), 'utf8')).split('\n').filter(Boolean);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
      throw error;
    }
  }

  async starts(task: number): Promise<Start[]> {
    return (await this.lines(`started-${task}`)).map((line) => {
      const [agent = '', leaseId = '', pid = ''] = line.split(' ');
      return { agent, leaseId, pid: Number(pid) };
    });
  }

  /** Waits until a task has started `count` times; answers the last start. */
  async started(task: number, count = 1, withinMs?: number): Promise<Start> {
    return await eventually(
      `start ${count} of task ${task}`,
      async () => {
        const starts = await this.starts(task);
        return starts.length >= count ? starts.at(-1) : undefined;
      },
      withinMs,
    );
  }

  /** Waits until a mark has at least `count` lines. */
  async written(name: string, count = 1, withinMs?: number): Promise<string[]> {
    return await eventually(
      `${count} lines in ${name}`,
      async () => {
        const lines = await this.lines(name);
        return lines.length >= count ? lines : undefined;
      },
      withinMs,
    );
  }
}

export const agentName = ({ dir }: FarmAgent): string => basename(dir);
