import { createHash } from 'node:crypto';
import { type Checksums, joinParts, parseAlgorithm } from './checksums.ts';
import { writeCondition } from './conditions.ts';
import { S3Error } from './errors.ts';
import { type Operation, quoted, sendXml } from './exchange.ts';
import { uploadIdOf } from './multipart-operations.ts';
import {
  checksumNodes,
  checksumTypeOf,
  findObject,
  type NewObject,
  requireBucket,
  sameEtag,
  storeObject,
} from './objects.ts';
import { receiveText } from './receive.ts';
import type { S3Request } from './request.ts';
import { dropUpload, getUpload, type Part, partsOf, type Upload } from './uploads.ts';
import { children, parseXml, text, type XmlNode, xmlDocument } from './xml.ts';

const partBytesMin = 5 * 1024 ** 2;

type WantedPart = { number: number; etag: string; checksums: Checksums };

function wantedParts(body: string): WantedPart[] {
  const root = parseXml(body, 'CompleteMultipartUpload');
  let previous = 0;
  return children(root, 'Part').map((part) => {
    const number = Number(text(part, 'PartNumber'));
    const etag = text(part, 'ETag');
    if (!Number.isInteger(number) || etag === undefined) throw new S3Error('MalformedXML');
    if (number <= previous) throw new S3Error('InvalidPartOrder');
    previous = number;
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
  return wanted.map(({ number, etag, checksums }, position) => {
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
