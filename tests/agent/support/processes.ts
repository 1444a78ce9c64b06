import {
  listProcesses,
  processIds,
  readEnvironment,
} from '../../../worker-agent/process/process-table.ts';

/** Live processes started with `name=value` in their environment. */
export function processesWith(name: string, value: string): number[] {
  const live = new Set(listProcesses().map(({ pid }) => pid));
  return processIds().filter((pid) => live.has(pid) && readEnvironment(pid)?.get(name) === value);
}

/** Resolves when `ask` is true; asks again every few milliseconds, as processes send no events. */
export async function eventually(ask: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await ask())) await new Promise((resolve) => setTimeout(resolve, 10));
}
