import type { StudioId } from '@karst/shared/protocol/ids.ts';
import { quotaText } from '@karst/shared/protocol/storage-use.ts';
import { usedBytes } from '../domain/storage-totals.ts';
import { ProblemError } from '../http/handler.ts';
import type { FarmSettings } from '../settings/farm-settings.ts';
import type { StorageUseStore } from '../store/storage-use-store.ts';

/**
 * Whether a studio may store more. A bound for what is submitted, not a fence: uploads under way at the
 * same time do not see each other, and what running jobs put out is taken whatever is stored.
 */
export class StorageQuota {
  private readonly settings: FarmSettings;
  private readonly storageUse: StorageUseStore;

  constructor(parts: { settings: FarmSettings; storageUse: StorageUseStore }) {
    this.settings = parts.settings;
    this.storageUse = parts.storageUse;
  }

  /** undefined: none is set. */
  quotaBytes(studio: StudioId): number | undefined {
    return this.settings.storageSettings().get(studio)?.quotaBytes;
  }

  /** Throws ProblemError quota_exceeded unless there is room for so much more; for 0 while none is over. */
  async requireRoom(studio: StudioId, neededBytes: number): Promise<void> {
    const quotaBytes = this.quotaBytes(studio);
    if (quotaBytes === undefined) return;
    const used = usedBytes((await this.storageUse.read(studio)).totals);
    if (used + neededBytes <= quotaBytes) return;
    const detail = quotaText({ studio, usedBytes: used }, quotaBytes, neededBytes);
    throw new ProblemError('quota_exceeded', detail);
  }
}
