import { createHash } from 'node:crypto';
import { parseAlgorithm } from './checksums.ts';
import { checkCopySource, parseRange, writeCondition } from './conditions.ts';
import { S3Error } from './errors.ts';
import { isoTime, keptHeaders, type Operation, quoted, sendXml } from './exchange.ts';
import { commitPart, partNumberOf, uploadIdOf } from './multipart-operations.ts';
import { checksumNodes, getObject, piecesOf, storeObject } from './objects.ts';
import { checkKey, type S3Request } from './request.ts';
import { getUpload } from './uploads.ts';
import { type XmlNode, xmlDocument } from './xml.ts';

/** Largest object one CopyObject may copy, as in S3. */
const copyBytesMax = 5 * 1024 ** 3;

/** Reads x-amz-copy-source: [/]bucket/key, percent-encoded. */
function copySource(request: S3Request): { bucket: string; key: string } {
  const raw = request.header('x-amz-copy-source') ?? '';
  const [path = '', version] = raw.split('?');
  if (version !== undefined && version !== 'versionId=null') {
    throw new S3Error('NotImplemented', 'versions are not supported');
  }
  let decoded: string;
  try {
    decoded = decodeURIComponent(path).replace(/^\//, '');
  } catch {
    throw new S3Error('InvalidArgument', 'x-amz-copy-source is not valid percent-encoded UTF-8');
  }
  const slash = decoded.indexOf('/');
  if (slash <= 0) throw new S3Error('InvalidArgument', 'x-amz-copy-source must be bucket/key');
  const key = decoded.slice(slash + 1);
  checkKey(key);
  return { bucket: decoded.slice(0, slash), key };
}

/**
 * Copies by pointing at the same blobs: no bytes move, whatever the size. The ETag is the source's (S3
 * would compute a new one for the copy of a multipart object).
 */
export const copyObject: Operation = async (store, { request, response }) => {
  const { index } = store;
  const source = copySource(request);
  const directive = request.header('x-amz-metadata-directive') ?? 'COPY';
  if (directive !== 'COPY' && directive !== 'REPLACE') {
    throw new S3Error('InvalidArgument', 'x-amz-metadata-directive must be COPY or REPLACE');
  }
  if (directive === 'COPY' && source.bucket === request.bucket && source.key === request.key) {
    throw new S3Error(
      'InvalidRequest',
      'This copy request is illegal because it is trying to copy an object to itself without changing its metadata.',
    );
  }
  const condition = writeCondition(request);
  const replaced = directive === 'REPLACE' ? keptHeaders(request) : undefined;
  const asked = request.header('x-amz-checksum-algorithm');
  const modifiedMs = store.clock.nowMs();
  const { object, unreferenced } = await index.commit(() => {
    const found = getObject(index, source.bucket, source.key);
    checkCopySource(found, request);
    if (found.sizeBytes > copyBytesMax) {
      throw new S3Error('InvalidRequest', `the copy source is larger than ${copyBytesMax} bytes`);
    }
    if (asked !== undefined && found.checksums[parseAlgorithm(asked)] === undefined) {
      throw new S3Error('NotImplemented', `the copy source has no ${asked} checksum to carry over`);
    }
    const object = { ...found, modifiedMs, upload: undefined };
    object.headers = replaced ?? found.headers;
    const pieces = piecesOf(index, found.id);
    const unreferenced = storeObject(
      index,
      request.bucket,
      request.key,
      { ...object, pieces },
      condition,
    );
    return { object, unreferenced };
  });
  await store.blobs.discard(unreferenced);
  const nodes: XmlNode[] = [
    ['LastModified', isoTime(modifiedMs)],
    ['ETag', quoted(object.etag)],
    ...checksumNodes(object.checksums),
  ];
  sendXml(response, xmlDocument('CopyObjectResult', nodes));
};

export const uploadPartCopy: Operation = async (store, { request, response }) => {
  const number = partNumberOf(request);
  const upload = getUpload(store.index, request.bucket, request.key, uploadIdOf(request));
  if (upload.checksum) {
    throw new S3Error('NotImplemented', 'UploadPartCopy into an upload with checksums');
  }
  const source = copySource(request);
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
    .write(end - start, read(), () => undefined)
    .finally(() => store.blobs.unpin(pieces));
  const etag = md5.digest('hex');
  const modifiedMs = store.clock.nowMs();
  await commitPart(store, request, { number, ...piece, etag, checksums: {}, modifiedMs });
  const nodes: XmlNode[] = [
    ['LastModified', isoTime(modifiedMs)],
    ['ETag', quoted(etag)],
  ];
  sendXml(response, xmlDocument('CopyPartResult', nodes));
};
