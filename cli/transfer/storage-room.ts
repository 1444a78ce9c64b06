import { problemCatalogue } from '@karst/shared/protocol/problem.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { quotaText } from '@karst/shared/protocol/storage-use.ts';
import type { ApiClient } from '../api/client.ts';
import { CliError } from '../failure.ts';

/** The farm judges each call that asks for uploads; what several of them ask for together is seen here. */
export async function requireRoom(api: ApiClient, neededBytes: number): Promise<void> {
  const use = await api.call(routes.getStorageUse, {});
  const { usedBytes, quotaBytes } = use;
  if (quotaBytes === undefined || usedBytes + neededBytes <= quotaBytes) return;
  const { title } = problemCatalogue.quota_exceeded;
  throw new CliError(`${title}: ${quotaText(use, quotaBytes, neededBytes)}`);
}
