import { type ChecksumType, fullObjectPossible, parseAlgorithm } from './checksums.ts';
import { S3Error } from './errors.ts';
import {
  type Exchange,
  isoTime,
  keptHeaders,
  type Operation,
  quoted,
  type Store,
  sendEmpty,
  sendXml,
  setChecksumHeaders,
} from './exchange.ts';
import { keepingBlob } from './object-operations.ts';
import { checksumNodes, requireBucket } from './objects.ts';
import { receiveBlob } from './receive.ts';
import { integerParameter, type S3Request } from './request.ts';
import {
  dropUpload,
  getUpload,
  insertUpload,
  type Part,
  partsOf,
  storePart,
  type Upload,
} from './uploads.ts';
import { type XmlNode, xmlDocument } from './xml.ts';

const partNumberMax = 10_000;

export const uploadIdOf = (request: S3Request) => request.query.get('uploadId') ?? '';
export const partNumberOf = (request: S3Request) =>
  integerParameter(request, 'partNumber', { min: 1, max: partNumberMax });

function checksumOf(request: S3Request): Upload['checksum'] {
  const name = request.header('x-amz-checksum-algorithm');
  if (name === undefined) return undefined;
  const algorithm = parseAlgorithm(name);
  const byDefault: ChecksumType = algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE';
  const type = request.header('x-amz-checksum-type') ?? byDefault;
  const possible =
    type === 'FULL_OBJECT'
      ? fullObjectPossible(algorithm)
      : type === 'COMPOSITE' && algorithm !== 'CRC64NVME';
  if (!possible) {
    throw new S3Error('InvalidRequest', `${algorithm} cannot be used with checksum type ${type}`);
  }
  return { algorithm, type: type === 'FULL_OBJECT' ? 'FULL_OBJECT' : 'COMPOSITE' };
}

export const createUpload: Operation = async (store, { request, response }) => {
  const { bucket, key } = request;
  const checksum = checksumOf(request);
  const upload: Upload = { id: store.random.uuid(), headers: keptHeaders(request), checksum };
  await store.index.commit(() => {
    requireBucket(store.index, bucket);
    insertUpload(store.index, bucket, key, store.clock.nowMs(), upload);
  });
  if (checksum) {
    response.setHeader('x-amz-checksum-algorithm', checksum.algorithm);
    response.setHeader('x-amz-checksum-type', checksum.type);
  }
  const nodes: XmlNode[] = [
    ['Bucket', bucket],
    ['Key', key],
    ['UploadId', upload.id],
  ];
  sendXml(response, xmlDocument('InitiateMultipartUploadResult', nodes));
};

/** Adds a part to the upload a request names; its blob goes when the upload is gone. */
export async function commitPart(store: Store, request: S3Request, part: Part): Promise<void> {
  const { bucket, key } = request;
  await keepingBlob(store, part.blob, () => {
    // Completed or aborted while the body came in: the part must not outlive the upload.
    const upload = getUpload(store.index, bucket, key, uploadIdOf(request));
    return storePart(store.index, upload.id, part);
  });
}

/**
 * An ETag need not be the MD5, which takes longer than all else that is done with a part: where the
 * upload has another checksum, it is a name only. Longer than an MD5, so that nobody takes it for one.
 */
const opaqueEtag = (store: Store): string => `${store.random.uuid().replaceAll('-', '')}00000000`;

export const uploadPart: Operation = async (store, { request, payload, response }) => {
  const number = partNumberOf(request);
  const upload = getUpload(store.index, request.bucket, request.key, uploadIdOf(request));
  const algorithm = upload.checksum?.algorithm;
  const sums = algorithm ? { kept: [algorithm], md5: false } : { kept: [], md5: true };
  const { piece, md5Hex, checksums } = await receiveBlob(request, payload, store.blobs, sums);
  if (upload.checksum && Object.keys(checksums).some((given) => given !== algorithm)) {
    await store.blobs.discard([piece.blob]);
    throw new S3Error('InvalidRequest', `the upload was created for ${algorithm} checksums`);
  }
  const modifiedMs = store.clock.nowMs();
  const etag = algorithm === undefined ? md5Hex : opaqueEtag(store);
  await commitPart(store, request, { number, ...piece, etag, checksums, modifiedMs });
  response.setHeader('etag', quoted(etag));
  setChecksumHeaders(response, checksums);
  sendEmpty(response, 200);
};

export const abortUpload: Operation = async (store, { request, response }) => {
  const unreferenced = await store.index.commit(() => {
    const upload = getUpload(store.index, request.bucket, request.key, uploadIdOf(request));
    return dropUpload(store.index, upload.id);
  });
  await store.blobs.discard(unreferenced);
  sendEmpty(response, 204);
};

export const listParts: Operation = async (store, exchange: Exchange) => {
  const { request, response } = exchange;
  const upload = getUpload(store.index, request.bucket, request.key, uploadIdOf(request));
  const limits = { min: 0, max: partNumberMax };
  const max = Math.min(integerParameter(request, 'max-parts', { ...limits, fallback: 1000 }), 1000);
  const after = integerParameter(request, 'part-number-marker', { ...limits, fallback: 0 });
  const found = partsOf(store.index, upload.id, after, max + 1);
  const parts = found.slice(0, max);
  const algorithm = upload.checksum?.algorithm;
  const partNodes = parts.map((part): XmlNode => {
    const nodes: XmlNode[] = [
      ['PartNumber', part.number],
      ['LastModified', isoTime(part.modifiedMs)],
      ['ETag', quoted(part.etag)],
      ['Size', part.sizeBytes],
      ...checksumNodes(part.checksums),
    ];
    return ['Part', nodes];
  });
  const nodes: XmlNode[] = [
    ['Bucket', request.bucket],
    ['Key', request.key],
    ['UploadId', upload.id],
    ['PartNumberMarker', after],
    ['NextPartNumberMarker', parts.at(-1)?.number ?? after],
    ['MaxParts', max],
    ['IsTruncated', found.length > max],
    ['StorageClass', 'STANDARD'],
    ['ChecksumAlgorithm', algorithm],
    ['ChecksumType', upload.checksum?.type],
    ...partNodes,
  ];
  sendXml(response, xmlDocument('ListPartsResult', nodes));
};
