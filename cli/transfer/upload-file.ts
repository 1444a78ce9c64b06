import type { AssetUpload } from '@karst/shared/protocol/asset-uploads.ts';
import { CHUNK_BYTES } from './chunk-buffers.ts';
import { FileChangedError, readStamp, sameStamp } from './file-stamp.ts';
import { openForReading } from './hash-file.ts';
import type { HashedFile } from './hash-inputs.ts';
import { type PutWork, putRange, putSmall } from './put-range.ts';
import { StorageRefusalError } from './storage-request.ts';

/** Files up to this size are sent from memory. */
export const SMALL_FILE_BYTES = CHUNK_BYTES;

/**
 * Sends one file's content to storage in one request and makes sure that it is the content that was
 * hashed. Throws FileChangedError, StorageRefusalError, StorageUnreachableError.
 */
export async function uploadFile(
  file: HashedFile,
  { url, headers }: Extract<AssetUpload, { kind: 'single' }>,
  work: PutWork,
): Promise<void> {
  // Its content is looked at as it is sent; what it is later is no concern.
  if (file.sizeBytes <= SMALL_FILE_BYTES) return await putSmall(file, { url, headers }, work);
  const handle = await openForReading(file.absolutePath);
  const assertUnchanged = async () => {
    const now = await readStamp(handle);
    if (!sameStamp(file.stamp, now)) throw new FileChangedError(file.absolutePath);
  };
  const put = { start: 0, length: file.sizeBytes, url, headers };
  try {
    await putRange(handle, file, put, work);
    await assertUnchanged();
  } catch (error) {
    // A refused checksum is most often a file that was written to: that is what to tell.
    if (error instanceof StorageRefusalError) await assertUnchanged();
    throw error;
  } finally {
    await handle.close();
  }
}
