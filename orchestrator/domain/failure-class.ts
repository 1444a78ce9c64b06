import type { FailureClass, FailureKind } from '@karst/shared/protocol/task.ts';

/** Whose fault a failure is: DESIGN section 4.6. Only the task's own costs one of its retries. */
export function failureClass(kind: FailureKind): FailureClass {
  switch (kind) {
    case 'exit':
    case 'signal':
    case 'timeout':
    case 'reported':
    case 'command':
    case 'outputs':
      return 'task';
    case 'disk_full':
    case 'out_of_memory':
    case 'node':
      return 'node';
    case 'inputs':
    case 'storage':
      return 'farm';
    default:
      return unreachable(kind);
  }
}

function unreachable(kind: never): never {
  throw new Error(`unknown failure kind ${String(kind)}`);
}
