import { createHash } from 'node:crypto';
import {
  type Algorithm,
  type Checksums,
  type ChecksumType,
  fullObjectPossible,
  joinParts,
  parseAlgorithm,
} from './checksums.ts';
import { checkCopySource, parseRange, writeCondition } from './conditions.ts';
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
import { copySource, keepingBlob } from './object-operations.ts';
import {
  checksumNodes,
  checksumTypeOf,
  findObject,
  getObject,
  type NewObject,
  piecesOf,
  requireBucket,
  sameEtag,
  storeObject,
} from './objects.ts';
import { receiveBlob, receiveText } from './receive.ts';
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
import { children, parseXml, text, type XmlNode, xmlDocument } from './xml.ts';

const partBytesMin = 5 * 1024 ** 2;
const partNumberMax = 10_000;

const uploadIdOf = (request: S3Request) => request.query.get('uploadId') ?? '';
const partNumberOf = (request: S3Request) =>
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

async function commitPart(store: Store, request: S3Request, part: Part): Promise<void> {
  const { bucket, key } = request;
  await keepingBlob(store, part.blob, () => {
    // Completed or aborted while the body came in: the part must not outlive the upload.
    const upload = getUpload(store.index, bucket, key, uploadIdOf(request));
    return storePart(store.index, upload.id, part);
  });
}

export const uploadPart: Operation = async (store, { request, payload, response }) => {
  const number = partNumberOf(request);
  const upload = getUpload(store.index, request.bucket, request.key, uploadIdOf(request));
  const algorithm = upload.checksum?.algorithm;
  const extra: Algorithm[] = algorithm ? [algorithm] : [];
  const { piece, md5Hex, checksums } = await receiveBlob(request, payload, store.blobs, extra);
  const modifiedMs = store.clock.nowMs();
  await commitPart(store, request, { number, ...piece, etag: md5Hex, checksums, modifiedMs });
  response.setHeader('etag', quoted(md5Hex));
  setChecksumHeaders(response, checksums);
  sendEmpty(response, 200);
};

export const uploadPartCopy: Operation = async (store, exchange) => {
  const { request, response } = exchange;
  const number = partNumberOf(request);
  const upload = getUpload(store.index, request.bucket, request.key, uploadIdOf(request));
  const source = copySource(exchange);
  const object = getObject(store.index, source.bucket, source.key);
  checkCopySource(object, request);
  const wanted = request.header('x-amz-copy-source-range');
  const range = parseRange(wanted, object.sizeBytes);
  if (wanted !== undefined && !range) {
    throw new S3Error('InvalidArgument', 'x-amz-copy-source-range must be bytes=first-last');
  }
  const { start, end } = range ?? { start: 0, end: object.sizeBytes };
  const pieces = piecesOf(store.index, object.id);
  const md5 = createHash('md5');
  const read = async function* () {
    for await (const chunk of store.blobs.read(pieces, start, end)) {
      md5.update(chunk);
      yield chunk;
    }
  };
  store.blobs.pin(pieces);
  const piece = await store.blobs
    .write(read(), () => undefined)
    .finally(() => store.blobs.unpin(pieces));
  if (upload.checksum) {
    await store.blobs.discard([piece.blob]);
    throw new S3Error('NotImplemented', 'UploadPartCopy into an upload with checksums');
  }
  const etag = md5.digest('hex');
  const modifiedMs = store.clock.nowMs();
  await commitPart(store, request, { number, ...piece, etag, checksums: {}, modifiedMs });
  const nodes: XmlNode[] = [
    ['LastModified', isoTime(modifiedMs)],
    ['ETag', quoted(etag)],
  ];
  sendXml(response, xmlDocument('CopyPartResult', nodes));
};

export const abortUpload: Operation = async (store, { request, response }) => {
  const unreferenced = await store.index.commit(() => {
    const upload = getUpload(store.index, request.bucket, request.key, uploadIdOf(request));
    return dropUpload(store.index, upload.id);
  });
  await store.blobs.discard(unreferenced);
  sendEmpty(response, 204);
};

type WantedPart = { number: number; etag: string; checksums: Checksums };

function wantedParts(body: string): WantedPart[] {
  const root = parseXml(body, 'CompleteMultipartUpload');
  return children(root, 'Part').map((part) => {
    const number = Number(text(part, 'PartNumber'));
    const etag = text(part, 'ETag');
    if (!Number.isInteger(number) || etag === undefined) throw new S3Error('MalformedXML');
    const checksums: Checksums = {};
    for (const name of Object.keys(part)) {
      if (!name.startsWith('Checksum')) continue;
      checksums[parseAlgorithm(name.slice('Checksum'.length))] = text(part, name) ?? '';
    }
    return { number, etag, checksums };
  });
}

/** The stored parts the client asked for, in its order, each checked against what it said. */
function chooseParts(upload: Upload, stored: Part[], wanted: WantedPart[]): Part[] {
  const byNumber = new Map(stored.map((part) => [part.number, part]));
  let previous = 0;
  return wanted.map(({ number, etag, checksums }, position) => {
    if (number <= previous) throw new S3Error('InvalidPartOrder');
    previous = number;
    const part = byNumber.get(number);
    if (!part || !sameEtag(part.etag, etag)) throw new S3Error('InvalidPart');
    for (const [algorithm, value] of Object.entries(checksums)) {
      if (value !== part.checksums[parseAlgorithm(algorithm)]) {
        throw new S3Error('InvalidPart', `the ${algorithm} of part ${number} does not match`);
      }
    }
    if (upload.checksum?.type === 'COMPOSITE' && Object.keys(checksums).length === 0) {
      throw new S3Error(
        'InvalidRequest',
        `The upload was created using a ${upload.checksum.algorithm} checksum. The complete request must include the checksum for each part. It was missing for part ${number}.`,
      );
    }
    if (position < wanted.length - 1 && part.sizeBytes < partBytesMin) {
      throw new S3Error('EntityTooSmall');
    }
    return part;
  });
}

/** The object the chosen parts make: their blobs, end to end. Nothing is copied or read. */
function assemble(upload: Upload, parts: Part[], modifiedMs: number): NewObject {
  const md5 = createHash('md5');
  for (const part of parts) md5.update(Buffer.from(part.etag, 'hex'));
  const checksums: Checksums = {};
  if (upload.checksum) {
    const { algorithm, type } = upload.checksum;
    const known = parts.map((part) => ({
      base64: part.checksums[algorithm] ?? '',
      sizeBytes: part.sizeBytes,
    }));
    checksums[algorithm] = joinParts(algorithm, type, known);
  }
  return {
    etag: `${md5.digest('hex')}-${parts.length}`,
    sizeBytes: parts.reduce((total, part) => total + part.sizeBytes, 0),
    modifiedMs,
    upload: upload.id,
    headers: upload.headers,
    checksums,
    pieces: parts.map(({ blob, sizeBytes }) => ({ blob, sizeBytes })),
  };
}

function checkWhole(request: S3Request, object: NewObject): void {
  const size = request.header('x-amz-mp-object-size');
  if (size !== undefined && Number(size) !== object.sizeBytes) {
    throw new S3Error('InvalidRequest', `the parts make ${object.sizeBytes} bytes, not ${size}`);
  }
  for (const [algorithm, value] of Object.entries(object.checksums)) {
    const claimed = request.header(`x-amz-checksum-${algorithm.toLowerCase()}`);
    if (
      claimed !== undefined &&
      claimed !== value &&
      `${claimed}-${object.pieces.length}` !== value
    ) {
      throw new S3Error('BadDigest', `the ${algorithm} of the whole object does not match`);
    }
  }
}

export const completeUpload: Operation = async (store, { request, payload, response }) => {
  const { bucket, key } = request;
  const { index } = store;
  const id = uploadIdOf(request);
  const condition = writeCondition(request);
  requireBucket(index, bucket);
  const wanted = wantedParts(await receiveText(request, payload, { checksumsOfBody: false }));
  const { object, unreferenced } = await index.commit(() => {
    const done = findObject(index, bucket, key);
    // The answer to a first Complete may have been lost: repeating it must not fail.
    if (done?.upload === id) return { object: done, unreferenced: [] };
    const upload = getUpload(index, bucket, key, id);
    const parts = chooseParts(upload, partsOf(index, id), wanted);
    const object = assemble(upload, parts, store.clock.nowMs());
    checkWhole(request, object);
    const replaced = storeObject(index, bucket, key, object, condition);
    return { object, unreferenced: [...replaced, ...dropUpload(index, id)] };
  });
  await store.blobs.discard(unreferenced);
  const hasChecksum = Object.keys(object.checksums).length > 0;
  const nodes: XmlNode[] = [
    ['Location', `/${bucket}/${key}`],
    ['Bucket', bucket],
    ['Key', key],
    ['ETag', quoted(object.etag)],
    ...checksumNodes(object.checksums),
    ['ChecksumType', hasChecksum ? checksumTypeOf(object.checksums) : undefined],
  ];
  sendXml(response, xmlDocument('CompleteMultipartUploadResult', nodes));
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
