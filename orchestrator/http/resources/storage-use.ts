import { usedBytes } from '../../domain/storage-totals.ts';
import type { StorageQuota } from '../../jobs/storage-quota.ts';
import type { StorageUseStore } from '../../store/storage-use-store.ts';
import type { Handlers } from '../handler.ts';

export function storageUseHandlers(parts: {
  storageUse: StorageUseStore;
  quota: StorageQuota;
}): Pick<Handlers, 'getStorageUse'> {
  return {
    async getStorageUse(_, { principal: { studio } }) {
      const { totals, countedAtMs } = await parts.storageUse.read(studio);
      const quotaBytes = parts.quota.quotaBytes(studio);
      return {
        studio,
        usedBytes: usedBytes(totals),
        ...totals,
        ...(quotaBytes === undefined ? {} : { quotaBytes }),
        ...(countedAtMs === undefined ? {} : { countedAt: new Date(countedAtMs).toISOString() }),
      };
    },
  };
}
