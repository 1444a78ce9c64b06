import type { SyncService } from '../../sync/sync-service.ts';
import type { Handlers } from '../handler.ts';

export const syncHandlers = (service: SyncService): Pick<Handlers, 'syncNode'> => ({
  syncNode: ({ params, body }, context) =>
    service.sync(params.nodeId, body, (listener) => context.onGone(listener)),
});
