import type { KeyId, NodeId } from '@karst/shared/protocol/ids.ts';
import { mirrorHash } from './background/restore-farm.ts';
import { collecting, type Services } from './build-services.ts';
import type { Stores, Surroundings } from './build-stores.ts';
import type { Config } from './config.ts';
import type { Handlers } from './http/handler.ts';
import { assetHandlers } from './http/resources/assets.ts';
import { collectionHandlers } from './http/resources/collection.ts';
import { eventHandlers } from './http/resources/events.ts';
import { explainHandlers } from './http/resources/explain.ts';
import { jobControlHandlers } from './http/resources/job-control.ts';
import { jobDeletionHandlers } from './http/resources/job-deletion.ts';
import { jobHandlers } from './http/resources/jobs.ts';
import { keyHandlers } from './http/resources/keys.ts';
import { leaseHandlers } from './http/resources/leases.ts';
import { limitHandlers } from './http/resources/limits.ts';
import { nodeHandlers } from './http/resources/nodes.ts';
import { enrollHandlers } from './http/resources/nodes-enroll.ts';
import { outputHandlers } from './http/resources/outputs.ts';
import { outputsZipHandlers } from './http/resources/outputs-zip.ts';
import { poolHandlers } from './http/resources/pools.ts';
import { prefetchHandlers } from './http/resources/prefetch.ts';
import { previewHandlers } from './http/resources/previews.ts';
import { serviceHandlers } from './http/resources/service.ts';
import { shareHandlers } from './http/resources/shares.ts';
import { storageSettingsHandlers } from './http/resources/storage-settings.ts';
import { storageUseHandlers } from './http/resources/storage-use.ts';
import { syncHandlers } from './http/resources/sync.ts';
import { taskLogHandlers } from './http/resources/task-log.ts';
import { taskHandlers } from './http/resources/tasks.ts';
import { objectKeys } from './objects/keys.ts';
import { keys } from './store/keys.ts';
import { operatorFields } from './store/node-settings.ts';

/** One handler for each row of the route table. */
export function buildHandlers(
  config: Config,
  around: Surroundings,
  stores: Stores,
  services: Services,
  shutdown: AbortSignal,
): Handlers {
  const parts = { ...around, ...stores, ...services };
  const submit = { ...parts, tasksPerJobMax: config.KARST_JOB_TASKS_MAX };
  return {
    ...jobHandlers({ ...parts, submit }),
    ...jobControlHandlers({ ...submit, spanTasksMax: config.KARST_SPAN_TASKS_MAX }),
    ...jobDeletionHandlers({ ...parts, deleted: () => services.driver.nudge('delete-jobs') }),
    ...taskHandlers(parts),
    ...taskLogHandlers(parts),
    ...outputHandlers(parts),
    ...previewHandlers(parts),
    ...outputsZipHandlers(parts),
    ...explainHandlers(parts),
    ...syncHandlers(services.sync),
    ...leaseHandlers(parts),
    ...prefetchHandlers(parts),
    ...assetHandlers(parts),
    ...shareHandlers({ ...parts, shares: services.scheduler.shares }),
    ...storageSettingsHandlers(parts),
    ...storageUseHandlers(parts),
    ...collectionHandlers({ ...parts, ...collecting }),
    ...limitHandlers(parts),
    ...poolHandlers(parts),
    ...eventHandlers(stores.eventBus),
    ...mirrored(stores, {
      ...keyHandlers(stores.apiKeys),
      ...enrollHandlers(stores.enrollment),
      ...nodeHandlers(parts),
    }),
    ...serviceHandlers({ ...parts, shutdown }),
  };
}

const keyFields = ['studio', 'role', 'note', 'createdAt', 'hash', 'revokedAtMs'];
const nodeFields = ['name', 'publicKey', 'enrolledAtMs', ...operatorFields];

type Mirrored = ReturnType<typeof keyHandlers> &
  ReturnType<typeof enrollHandlers> &
  ReturnType<typeof nodeHandlers>;

/**
 * Who may, and what operators have set for nodes, is also kept in storage, before the caller is told:
 * Redis can be rebuilt from it.
 */
function mirrored(stores: Stores, handlers: Mirrored): Mirrored {
  const mirrorKey = (id: KeyId) =>
    mirrorHash(stores, objectKeys.apiKeys, id, keys.apiKey(id), keyFields);
  const mirrorNode = (id: NodeId) =>
    mirrorHash(stores, objectKeys.nodes, id, keys.node(id), nodeFields);
  return {
    ...handlers,
    async createKey(input, context) {
      const created = await handlers.createKey(input, context);
      await mirrorKey(created.id);
      return created;
    },
    async revokeKey(input, context) {
      const answer = await handlers.revokeKey(input, context);
      await mirrorKey(input.params.keyId);
      return answer;
    },
    async enrollNode(input, context) {
      const enrolled = await handlers.enrollNode(input, context);
      await mirrorNode(enrolled.nodeId);
      return enrolled;
    },
    async setNode(input, context) {
      const node = await handlers.setNode(input, context);
      await mirrorNode(node.id);
      return node;
    },
    async drainNode(input, context) {
      const node = await handlers.drainNode(input, context);
      await mirrorNode(node.id);
      return node;
    },
    async undrainNode(input, context) {
      const node = await handlers.undrainNode(input, context);
      await mirrorNode(node.id);
      return node;
    },
  };
}
