import { S3Error } from './errors.ts';
import { isoTime, type Operation, quoted, type Store, sendEmpty, sendXml } from './exchange.ts';
import { integerOf, textOf } from './index-db.ts';
import { type Cursor, type ListPage, listObjects } from './listing.ts';
import { checksumTypeOf, requireBucket } from './objects.ts';
import { receiveText } from './receive.ts';
import { integerParameter, type S3Request } from './request.ts';
import { encodeStrictly } from './sigv4.ts';
import { dropUpload } from './uploads.ts';
import { type XmlNode, xmlDocument } from './xml.ts';

const bucketName = /^(?!\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** Creates a bucket row. Throws InvalidBucketName or BucketAlreadyOwnedByYou. */
export async function makeBucket(store: Store, bucket: string): Promise<void> {
  if (!bucketName.test(bucket)) throw new S3Error('InvalidBucketName');
  await store.index.commit(() => {
    const made = store.index.run(
      'INSERT OR IGNORE INTO bucket VALUES (?, ?)',
      bucket,
      store.clock.nowMs(),
    );
    if (made === 0) throw new S3Error('BucketAlreadyOwnedByYou');
  });
}

export const createBucket: Operation = async (store, { request, payload, response }) => {
  // The body may name a region; there is one here, so it is only verified.
  if (Number(request.header('content-length') ?? 0) > 0) await receiveText(request, payload);
  await makeBucket(store, request.bucket);
  response.setHeader('location', `/${request.bucket}`);
  sendEmpty(response, 200);
};

export const headBucket: Operation = async (store, { request, response }) => {
  requireBucket(store.index, request.bucket);
  sendEmpty(response, 200);
};

export const deleteBucket: Operation = async (store, { request, response }) => {
  const { index } = store;
  const { bucket } = request;
  const unreferenced = await index.commit(() => {
    requireBucket(index, bucket);
    if (index.one('SELECT 1 FROM object WHERE bucket = ? LIMIT 1', bucket)) {
      throw new S3Error('BucketNotEmpty');
    }
    const uploads = index.all('SELECT id FROM upload WHERE bucket = ?', bucket);
    const blobs = uploads.flatMap((row) => dropUpload(index, textOf(row, 'id')));
    index.run('DELETE FROM bucket WHERE name = ?', bucket);
    return blobs;
  });
  await store.blobs.discard(unreferenced);
  sendEmpty(response, 204);
};

const owner: XmlNode = [
  'Owner',
  [
    ['ID', 'karst'],
    ['DisplayName', 'karst'],
  ],
];

export const listBuckets: Operation = async (store, { response }) => {
  const buckets = store.index
    .all('SELECT name, created_ms FROM bucket ORDER BY name')
    .map((row): XmlNode => {
      const created = isoTime(integerOf(row, 'created_ms'));
      const nodes: XmlNode[] = [
        ['Name', textOf(row, 'name')],
        ['CreationDate', created],
      ];
      return ['Bucket', nodes];
    });
  sendXml(response, xmlDocument('ListAllMyBucketsResult', [owner, ['Buckets', buckets]]));
};

export const bucketLocation: Operation = async (store, { request, response }) => {
  requireBucket(store.index, request.bucket);
  sendXml(response, xmlDocument('LocationConstraint', []));
};

const writeToken = (cursor: Cursor) =>
  Buffer.from(`${cursor.kind === 'key' ? 'k' : 'p'}${cursor.value}`).toString('base64url');

function readToken(token: string): Cursor {
  const text = Buffer.from(token, 'base64url').toString('utf8');
  const cursor: Cursor = { kind: text.startsWith('k') ? 'key' : 'prefix', value: text.slice(1) };
  if (text.length < 2 || writeToken(cursor) !== token) {
    throw new S3Error('InvalidArgument', 'The continuation token provided is incorrect');
  }
  return cursor;
}

/** Encodes names for `encoding-type=url`; slashes stay. */
export function nameEncoder(request: S3Request): (name: string) => string {
  const type = request.query.get('encoding-type');
  if (type === undefined) return (name) => name;
  if (type !== 'url') throw new S3Error('InvalidArgument', 'encoding-type must be url');
  return (name) => name.split('/').map(encodeStrictly).join('/');
}

function entryNodes(page: ListPage, encode: (name: string) => string, withOwner: boolean) {
  const contents = page.objects.map((object): XmlNode => {
    const algorithms = Object.keys(object.checksums);
    const checksumType = algorithms.length > 0 ? checksumTypeOf(object.checksums) : undefined;
    const nodes: XmlNode[] = [
      ['Key', encode(object.key)],
      ['LastModified', isoTime(object.modifiedMs)],
      ['ETag', quoted(object.etag)],
      ...algorithms.map((name): XmlNode => ['ChecksumAlgorithm', name]),
      ['ChecksumType', checksumType],
      ['Size', object.sizeBytes],
      ['StorageClass', 'STANDARD'],
    ];
    return ['Contents', withOwner ? [...nodes, owner] : nodes];
  });
  const prefixes = page.commonPrefixes.map(
    (prefix): XmlNode => ['CommonPrefixes', [['Prefix', encode(prefix)]]],
  );
  return [...contents, ...prefixes];
}

type ListParameters = { prefix: string; delimiter: string; itemsMax: number };

function listParameters(request: S3Request): ListParameters {
  const wanted = integerParameter(request, 'max-keys', { min: 0, max: 2 ** 31, fallback: 1000 });
  return {
    prefix: request.query.get('prefix') ?? '',
    delimiter: request.query.get('delimiter') ?? '',
    itemsMax: Math.min(wanted, 1000),
  };
}

export const listObjectsV2: Operation = async (store, { request, response }) => {
  const { query, bucket } = request;
  requireBucket(store.index, bucket);
  const { prefix, delimiter, itemsMax } = listParameters(request);
  const encode = nameEncoder(request);
  const token = query.get('continuation-token');
  const startAfter = query.get('start-after');
  let after: Cursor | undefined;
  if (token !== undefined) after = readToken(token);
  else if (startAfter) after = { kind: 'key', value: startAfter };
  const page = listObjects(store.index, { bucket, prefix, delimiter, after, itemsMax });
  const nodes: XmlNode[] = [
    ['Name', bucket],
    ['Prefix', encode(prefix)],
    ['Delimiter', delimiter === '' ? undefined : encode(delimiter)],
    ['MaxKeys', itemsMax],
    ['EncodingType', query.get('encoding-type')],
    ['KeyCount', page.objects.length + page.commonPrefixes.length],
    ['ContinuationToken', token],
    ['StartAfter', startAfter === undefined ? undefined : encode(startAfter)],
    ['IsTruncated', page.next !== undefined],
    ['NextContinuationToken', page.next && writeToken(page.next)],
    ...entryNodes(page, encode, query.get('fetch-owner') === 'true'),
  ];
  sendXml(response, xmlDocument('ListBucketResult', nodes));
};

export const listObjectsV1: Operation = async (store, { request, response }) => {
  const { query, bucket } = request;
  requireBucket(store.index, bucket);
  const { prefix, delimiter, itemsMax } = listParameters(request);
  const encode = nameEncoder(request);
  const marker = query.get('marker') ?? '';
  // A marker that is a common prefix stands for all its keys: it came out as NextMarker.
  const rolledUp = delimiter !== '' && marker.endsWith(delimiter);
  const after: Cursor = { kind: rolledUp ? 'prefix' : 'key', value: marker };
  const page = listObjects(store.index, {
    bucket,
    prefix,
    delimiter,
    after: marker === '' ? undefined : after,
    itemsMax,
  });
  const nodes: XmlNode[] = [
    ['Name', bucket],
    ['Prefix', encode(prefix)],
    ['Marker', encode(marker)],
    ['Delimiter', delimiter === '' ? undefined : encode(delimiter)],
    ['MaxKeys', itemsMax],
    ['EncodingType', query.get('encoding-type')],
    ['IsTruncated', page.next !== undefined],
    ['NextMarker', page.next && delimiter !== '' ? encode(page.next.value) : undefined],
    ...entryNodes(page, encode, true),
  ];
  sendXml(response, xmlDocument('ListBucketResult', nodes));
};
