import type { StudioId } from '@karst/shared/protocol/ids.ts';
import { objectKeys } from '../../objects/keys.ts';
import type { ObjectStore } from '../../objects/store.ts';
import type { UploadFile } from '../../objects/uploads.ts';
import { mapConcurrently } from '../concurrency.ts';
import type { Handlers } from '../handler.ts';
import { incompleteUpload, requirePartMd5 } from '../upload-request.ts';

type AssetHandlers = Pick<Handlers, 'createAssetUploads' | 'completeAssetUpload'>;

/** One request asks storage about at most this many files at once. */
const HEADS_MAX = 32;

export function assetHandlers(objects: ObjectStore): AssetHandlers {
  /** null: the studio has this content. An object of another size is no whole asset. */
  const uploadOf = async (studio: StudioId, file: UploadFile) => {
    const key = objectKeys.asset(studio, file.sha256);
    const present = await objects.head(key);
    return present?.sizeBytes === file.sizeBytes ? null : await objects.createUpload(key, file);
  };
  return {
    async createAssetUploads({ body }, { principal }) {
      requirePartMd5(body.files);
      const uploads = await mapConcurrently(body.files, HEADS_MAX, async (file) => ({
        sha256: file.sha256,
        upload: await uploadOf(principal.studio, file),
      }));
      return { uploads };
    },
    async completeAssetUpload({ body }, { principal }) {
      const key = objectKeys.asset(principal.studio, body.sha256);
      const result = await objects.completeUpload(key, body.uploadId, body.etags);
      if (result !== 'completed') throw incompleteUpload(result);
      return {};
    },
  };
}
