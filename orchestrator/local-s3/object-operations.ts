import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { checkRead, parseRange, writeCondition } from './conditions.ts';
import { S3Error } from './errors.ts';
import {
  type Exchange,
  keptHeaders,
  type Operation,
  quoted,
  type Store,
  sendable,
  sendEmpty,
  sendXml,
  setChecksumHeaders,
} from './exchange.ts';
import {
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
    if (value !== undefined) response.setHeader(name, sendable(name, value));
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
