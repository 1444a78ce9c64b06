import type { FarmFile } from '@karst/shared/simulation/farm-file.ts';
import { KarstPolicy } from './karst.ts';
import { fifoOrder, OrderedPolicy, priorityOrder, shortestOrder } from './ordered.ts';
import type { Policy, PolicyName } from './policy.ts';

export function makePolicy(name: PolicyName, farm: FarmFile): Policy {
  const admits = Object.values(farm.pools).some(
    ({ studios, classes }) => studios !== undefined || classes !== undefined,
  );
  switch (name) {
    case 'karst':
      return new KarstPolicy(farm);
    case 'fifo':
      return new OrderedPolicy(fifoOrder, admits);
    case 'priority':
      return new OrderedPolicy(priorityOrder, admits);
    case 'sjf':
      return new OrderedPolicy(shortestOrder, admits);
  }
}
