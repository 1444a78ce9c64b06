import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Algorithm, Digests, parseAlgorithm } from './checksums.ts';
import { checkCopySource, checkRead, parseRange, writeCondition } from './conditions.ts';
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
  setChosenHeader,
} from './exchange.ts';
import {
  checksumNodes,
  checkWrite,
  dropObject,
  findObject,
  getObject,
  type ObjectRecord,
  piecesOf,
  requireBucket,
  sameEtag,
  storeObject,
} from './objects.ts';
import { receiveBlob, receiveText } from './receive.ts';
import { checkKey } from './request.ts';
import { children, parseXml, text, type XmlNode, xmlDocument } from './xml.ts';

/** Largest object one CopyObject may copy, as in S3. */
const copyBytesMax = 5 * 1024 ** 3;

export const putObject: Operation = async (store, { request, payload, response }) => {
  const { bucket, key } = request;
  const condition = writeCondition(request);
  const headers = keptHeaders(request);
  requireBucket(store.index, bucket);
  // Refusing before the body saves sending it; the commit below judges again, and that one counts.
  checkWrite(findObject(store.index, bucket, key), condition);
  const { piece, md5Hex, checksums } = await receiveBlob(request, payload, store.blobs);
  await keepingBlob(store, piece.blob, () =>
    storeObject(
      store.index,
      bucket,
      key,
      {
        etag: md5Hex,
        sizeBytes: piece.sizeBytes,
        modifiedMs: store.clock.nowMs(),
        upload: undefined,
        headers,
        checksums,
        pieces: [piece],
      },
      condition,
    ),
  );
  response.setHeader('etag', quoted(md5Hex));
  setChecksumHeaders(response, checksums);
  sendEmpty(response, 200);
};

/** Commits a change that refers to a fresh blob; the blob goes when the change is refused. */
export async function keepingBlob(
  store: Store,
  blob: string,
  change: () => string[],
): Promise<void> {
  let unreferenced: string[];
  try {
    unreferenced = await store.index.commit(change);
  } catch (error) {
    await store.blobs.discard([blob]);
    throw error;
  }
  await store.blobs.discard(unreferenced);
}

const overrides = [
  'content-type',
  'content-disposition',
  'content-encoding',
  'content-language',
  'cache-control',
  'expires',
];

function setObjectHeaders(exchange: Exchange, object: ObjectRecord): void {
  const { request, response } = exchange;
  for (const [name, value] of Object.entries(object.headers)) response.setHeader(name, value);
  for (const name of overrides) {
    const value = request.query.get(`response-${name}`);
    if (value !== undefined) setChosenHeader(response, name, value);
  }
  setValidators(response, object);
  response.setHeader('accept-ranges', 'bytes');
}

function setValidators(response: ServerResponse, object: ObjectRecord): void {
  response.setHeader('etag', quoted(object.etag));
  response.setHeader('last-modified', new Date(object.modifiedMs).toUTCString());
}

/** GET and HEAD. */
export const getOrHeadObject: Operation = async (store, exchange) => {
  const { request, response } = exchange;
  const object = getObject(store.index, request.bucket, request.key);
  if (checkRead(object, request.message.headers) === 'unchanged') {
    setValidators(response, object);
    sendEmpty(response, 304);
    return;
  }
  const ifRange = request.header('if-range');
  const rangeHolds = ifRange === undefined || sameEtag(ifRange, object.etag);
  const range = parseRange(rangeHolds ? request.header('range') : undefined, object.sizeBytes);
  const { start, end } = range ?? { start: 0, end: object.sizeBytes };
  setObjectHeaders(exchange, object);
  // A checksum of the whole says nothing about a stretch of it.
  if (request.header('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED' && !range) {
    setChecksumHeaders(response, object.checksums);
  }
  if (range) response.setHeader('content-range', `bytes ${start}-${end - 1}/${object.sizeBytes}`);
  response.setHeader('content-length', end - start);
  response.writeHead(range ? 206 : 200);
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  // Looked up and pinned in the same turn as the row: no replacement can come between.
  const pieces = piecesOf(store.index, object.id);
  store.blobs.pin(pieces);
  try {
    await pipeline(Readable.from(store.blobs.read(pieces, start, end)), response);
  } finally {
    await store.blobs.unpin(pieces);
  }
};

export const deleteObject: Operation = async (store, { request, response }) => {
  const { bucket, key } = request;
  const etag = request.header('if-match');
  const unreferenced = await store.index.commit(() => {
    requireBucket(store.index, bucket);
    const existing = findObject(store.index, bucket, key);
    checkWrite(existing, { mustNotExist: false, etag });
    return existing ? dropObject(store.index, existing.id) : [];
  });
  await store.blobs.discard(unreferenced);
  sendEmpty(response, 204);
};

const deletedKeysMax = 1000;

export const deleteObjects: Operation = async (store, { request, payload, response }) => {
  const { index } = store;
  requireBucket(index, request.bucket);
  const root = parseXml(await receiveText(request, payload), 'Delete');
  const quiet = text(root, 'Quiet')?.trim() === 'true';
  const objects = children(root, 'Object');
  if (objects.length > deletedKeysMax) {
    throw new S3Error('MalformedXML', `at most ${deletedKeysMax} keys can be deleted at once`);
  }
  const wanted = objects.map((object) => {
    if (text(object, 'VersionId') !== undefined) {
      throw new S3Error('NotImplemented', 'versions are not supported');
    }
    return { key: text(object, 'Key') ?? '', etag: text(object, 'ETag') };
  });
  const { nodes, unreferenced } = await index.commit(() => {
    const nodes: XmlNode[] = [];
    const unreferenced: string[] = [];
    for (const { key, etag } of wanted) {
      try {
        checkKey(key);
        const existing = findObject(index, request.bucket, key);
        checkWrite(existing, { mustNotExist: false, etag });
        if (existing) unreferenced.push(...dropObject(index, existing.id));
        if (!quiet) nodes.push(['Deleted', [['Key', key]]]);
      } catch (error) {
        if (!(error instanceof S3Error)) throw error;
        const detail: XmlNode[] = [
          ['Key', key],
          ['Code', error.code],
          ['Message', error.message],
        ];
        nodes.push(['Error', detail]);
      }
    }
    return { nodes, unreferenced };
  });
  await store.blobs.discard(unreferenced);
  sendXml(response, xmlDocument('DeleteResult', nodes));
};

/** Reads x-amz-copy-source: [/]bucket/key, percent-encoded. */
export function copySource(exchange: Exchange): { bucket: string; key: string } {
  const raw = exchange.request.header('x-amz-copy-source') ?? '';
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

/** A checksum asked for with x-amz-checksum-algorithm that the source lacks is computed by reading it. */
async function missingChecksum(
  store: Store,
  object: ObjectRecord,
  algorithm: Algorithm,
): Promise<string> {
  const pieces = piecesOf(store.index, object.id);
  store.blobs.pin(pieces);
  try {
    const digests = new Digests([algorithm]);
    for await (const chunk of store.blobs.read(pieces, 0, object.sizeBytes)) digests.update(chunk);
    return digests.finish().get(algorithm)?.toString('base64') ?? '';
  } finally {
    await store.blobs.unpin(pieces);
  }
}

/**
 * Copies by pointing at the same blobs: no bytes move, whatever the size. The ETag is the source's (S3
 * would compute a new one for the copy of a multipart object).
 */
export const copyObject: Operation = async (store, exchange) => {
  const { request, response } = exchange;
  const { index } = store;
  const source = copySource(exchange);
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
  const algorithm = asked === undefined ? undefined : parseAlgorithm(asked);
  const seen = getObject(index, source.bucket, source.key);
  const computed =
    algorithm && seen.checksums[algorithm] === undefined
      ? { [algorithm]: await missingChecksum(store, seen, algorithm) }
      : {};
  const modifiedMs = store.clock.nowMs();
  const { object, unreferenced } = await index.commit(() => {
    const found = getObject(index, source.bucket, source.key);
    checkCopySource(found, request);
    if (found.sizeBytes > copyBytesMax) {
      throw new S3Error('InvalidRequest', `the copy source is larger than ${copyBytesMax} bytes`);
    }
    if (algorithm && found.id !== seen.id)
      throw new S3Error('PreconditionFailed', 'the copy source changed');
    const checksums = algorithm ? { ...found.checksums, ...computed } : found.checksums;
    const object = { ...found, modifiedMs, upload: undefined, checksums };
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
