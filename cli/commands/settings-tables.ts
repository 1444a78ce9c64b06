import type { NamedLimit, NamedPool, NamedShare } from '@karst/shared/protocol/farm-settings.ts';
import { scheduleText } from '@karst/shared/schedule/schedule-text.ts';
import type { Column } from '../terminal/table.ts';
import { clip } from '../terminal/text.ts';

const LIST_WIDTH_MAX = 40;

const ofMost = (has: number | string, max: number | undefined) => `${has}/${max ?? '-'}`;

/** Core-hours. */
const spentText = ({ spentCoreHours }: NamedShare) => spentCoreHours.toFixed(1);

/** `STUDIO` or `STUDIO/PROJECT`. */
export const shareName = ({ studio, project }: NamedShare): string =>
  project === undefined ? studio : `${studio}/${project}`;

export const shareColumns: Column<NamedShare>[] = [
  { title: 'SHARE', value: shareName },
  { title: 'WEIGHT', value: ({ weight }) => weight },
  { title: 'GUARANTEED', value: ({ guaranteedTasks }) => guaranteedTasks },
  { title: 'TASKS', value: ({ runningTasks, maxTasks }) => ofMost(runningTasks, maxTasks) },
  { title: 'GPUS', value: ({ gpus, maxGpus }) => ofMost(gpus, maxGpus) },
  { title: 'NODES', value: ({ nodes, maxNodes }) => ofMost(nodes, maxNodes) },
  { title: 'CORE-HOURS', value: ({ usage }) => (usage / 3600).toFixed(1) },
  { title: 'SPENT', value: (share) => ofMost(spentText(share), share.budgetCoreHours) },
];

export const limitColumns: Column<NamedLimit>[] = [
  { title: 'LIMIT', value: ({ name }) => name },
  { title: 'MAX', value: ({ max }) => max },
  { title: 'PER', value: ({ per }) => per },
  { title: 'RESERVE', value: ({ reserve }) => reserve },
  { title: 'ELSEWHERE', value: ({ usedElsewhere }) => usedElsewhere },
  { title: 'FOR THE FARM', value: ({ forFarm }) => forFarm },
  { title: 'IN USE', value: ({ inUse }) => inUse },
];

export const poolColumns: Column<NamedPool>[] = [
  { title: 'POOL', value: ({ name }) => name },
  { title: 'NODES', value: ({ nodeCount }) => nodeCount },
  { title: 'STUDIOS', value: ({ studios }) => clip(studios?.join(',') ?? 'all', LIST_WIDTH_MAX) },
  { title: 'EXCLUSIVE', value: ({ exclusive }) => (exclusive ? 'yes' : 'no') },
  { title: 'CLASSES', value: ({ classes }) => classes?.join(',') ?? 'all' },
  {
    title: 'OPEN',
    value: ({ schedule }) => (schedule === undefined ? 'always' : scheduleText(schedule)),
  },
];
