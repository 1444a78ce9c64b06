import type { AssetUpload } from '@karst/shared/protocol/asset-uploads.ts';
import { partSizeBytes } from '@karst/shared/protocol/files.ts';
import type { StudioId } from '@karst/shared/protocol/ids.ts';
import type { AssetPresence } from '../../jobs/asset-presence.ts';
import type { StorageQuota } from '../../jobs/storage-quota.ts';
import { objectKeys } from '../../objects/keys.ts';
import type { ObjectStore } from '../../objects/store.ts';
import { bytesOfPart, partCount, type UploadFile } from '../../objects/uploads.ts';
import type { StorageUseStore } from '../../store/storage-use-store.ts';
import { mapConcurrently } from '../concurrency.ts';
import { type Handlers, ProblemError } from '../handler.ts';
import { incompleteUpload } from '../upload-request.ts';

type AssetHandlers = Pick<
  Handlers,
  'createAssetUploads' | 'beginAssetUpload' | 'linkAssetParts' | 'completeAssetUpload'
>;

/** Links are signed without a call to anybody: this bounds what waits for the CPU at once. */
const LINKS_AT_ONCE = 32;

export function assetHandlers({
  objects,
  presence,
  quota,
  storageUse,
}: {
  objects: ObjectStore;
  presence: AssetPresence;
  quota: StorageQuota;
  storageUse: StorageUseStore;
}): AssetHandlers {
  const uploadOf = async (studio: StudioId, file: UploadFile): Promise<AssetUpload> =>
    partCount(file.sizeBytes) === 1
      ? await objects.singleUpload(objectKeys.asset(studio, file.sha256), file)
      : { kind: 'parts', partSizeBytes: partSizeBytes(file.sizeBytes) };
  return {
    async createAssetUploads({ body }, { principal }) {
      const { studio } = principal;
      const names = body.files.map(({ sha256 }) => sha256);
      const sizes = await presence.sizes(studio, names);
      // An object of another size is no whole asset.
      const isPresent = (file: UploadFile) => sizes.get(file.sha256) === file.sizeBytes;
      const missing = new Map(
        body.files.filter((file) => !isPresent(file)).map((file) => [file.sha256, file.sizeBytes]),
      );
      const needed = [...missing.values()].reduce((sum, bytes) => sum + bytes, 0);
      if (missing.size > 0) await quota.requireRoom(studio, needed);
      await storageUse.offered(studio, [...missing.keys()]);
      const uploads = await mapConcurrently(body.files, LINKS_AT_ONCE, async (file) => {
        const upload = isPresent(file) ? null : await uploadOf(studio, file);
        return { sha256: file.sha256, upload };
      });
      return { uploads };
    },
    async beginAssetUpload({ body }, { principal }) {
      requireParts(body.sizeBytes);
      await presence.touch(principal.studio, [body.sha256]);
      const key = objectKeys.asset(principal.studio, body.sha256);
      const size = partSizeBytes(body.sizeBytes);
      const begun =
        body.uploadId === undefined ? undefined : await objects.uploadedParts(key, body.uploadId);
      if (body.uploadId !== undefined && begun !== undefined) {
        const { checksum: partChecksum, parts: uploaded } = begun;
        return { uploadId: body.uploadId, partChecksum, partSizeBytes: size, uploaded };
      }
      await quota.requireRoom(principal.studio, body.sizeBytes);
      const partChecksum = await objects.partChecksum();
      const uploadId = await objects.beginUpload(key, partChecksum);
      return { uploadId, partChecksum, partSizeBytes: size, uploaded: [] };
    },
    async linkAssetParts({ body }, { principal }) {
      const { sha256, sizeBytes, uploadId, parts } = body;
      requireParts(
        sizeBytes,
        parts.map(({ number }) => number),
      );
      await presence.touch(principal.studio, [sha256]);
      const key = objectKeys.asset(principal.studio, sha256);
      const links = await mapConcurrently(parts, LINKS_AT_ONCE, (part) =>
        objects.partLink(key, uploadId, {
          ...part,
          sizeBytes: bytesOfPart(sizeBytes, part.number),
        }),
      );
      return { links };
    },
    async completeAssetUpload({ body }, { principal }) {
      await presence.touch(principal.studio, [body.sha256]);
      const key = objectKeys.asset(principal.studio, body.sha256);
      const result = await objects.completeUpload(key, body.uploadId, body.etags);
      if (result !== 'completed') throw incompleteUpload(result);
      return {};
    },
  };
}

/** Throws ProblemError invalid_request unless a file of this size travels in parts and has these. */
function requireParts(sizeBytes: number, numbers: readonly number[] = []): void {
  const parts = partCount(sizeBytes);
  const refuse = (path: (string | number)[], message: string) => {
    throw new ProblemError('invalid_request', `${path.join('.')}: ${message}`, [{ path, message }]);
  };
  if (parts === 1) {
    refuse(['body', 'sizeBytes'], `found ${sizeBytes} bytes, which travel in one PUT`);
  }
  for (const [index, number] of numbers.entries()) {
    if (number <= parts) continue;
    refuse(['body', 'parts', index, 'number'], `found ${number}, the file has ${parts} parts`);
  }
}
