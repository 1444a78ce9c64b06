import {
  listProcesses,
  processIds,
  readEnvironment,
} from '../../../worker-agent/process/process-table.ts';
import { eventually as until } from '../../support/eventually.ts';

/** Live processes started with `name=value` in their environment. */
export function processesWith(name: string, value: string): number[] {
  const live = new Set(listProcesses().map(({ pid }) => pid));
  return processIds().filter((pid) => live.has(pid) && readEnvironment(pid)?.get(name) === value);
}

/** Resolves when `ask` is true; processes send no events, so it is asked again and again. */
export async function eventually(ask: () => boolean | Promise<boolean>): Promise<void> {
  await until('what the test waits for', ask);
}
