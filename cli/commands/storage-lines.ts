import type { StorageUse } from '@karst/shared/protocol/storage-use.ts';
import type { CliContext } from '../context.ts';
import { count, formatBytes } from '../terminal/text.ts';
import { agoText } from './resource-tables.ts';

export function storageLines(context: CliContext, use: StorageUse): [string, string][] {
  const stored = ({ bytes, objects }: StorageUse['inputs']) =>
    `${formatBytes(bytes)} in ${count(objects, 'object')}`;
  return [
    ['Studio', use.studio],
    ['Used', formatBytes(use.usedBytes)],
    ['Quota', use.quotaBytes === undefined ? 'none' : formatBytes(use.quotaBytes)],
    ['Inputs', stored(use.inputs)],
    ['Outputs', stored(use.outputs)],
    ['Other', stored(use.other)],
    ['Counted', use.countedAt === undefined ? 'not yet' : agoText(context, use.countedAt)],
  ];
}
