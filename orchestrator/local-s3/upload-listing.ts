import { nameEncoder } from './bucket-operations.ts';
import { isoTime, type Operation, sendXml } from './exchange.ts';
import { bytesOf, integerOf, textOf } from './index-db.ts';
import { requireBucket } from './objects.ts';
import { integerParameter } from './request.ts';
import { type XmlNode, xmlDocument } from './xml.ts';

const select = `SELECT key, id, created_ms, algorithm, checksum_type FROM upload
  WHERE bucket = ?1 AND key >= ?2 AND key < ?3 AND (key > ?4 OR (key = ?4 AND id > ?5))
  ORDER BY key, id LIMIT ?6`;

/** ListMultipartUploads, without delimiter. */
export const listUploads: Operation = async (store, { request, response }) => {
  const { bucket, query } = request;
  requireBucket(store.index, bucket);
  const encode = nameEncoder(request);
  const limits = { min: 0, max: 10_000, fallback: 1000 };
  const max = Math.min(integerParameter(request, 'max-uploads', limits), 1000);
  const prefix = query.get('prefix') ?? '';
  const keyMarker = query.get('key-marker') ?? '';
  const idMarker = query.get('upload-id-marker') ?? '';
  const rows = store.index.all(
    select,
    bucket,
    Buffer.from(prefix),
    Buffer.concat([Buffer.from(prefix), Buffer.from([0xff])]),
    Buffer.from(keyMarker),
    // A key marker alone means: after every upload of that key.
    idMarker === '' && keyMarker !== '' ? '\u{10ffff}' : idMarker,
    max + 1,
  );
  const uploads = rows.slice(0, max).map((row) => ({
    key: bytesOf(row, 'key').toString('utf8'),
    id: textOf(row, 'id'),
    initiated: isoTime(integerOf(row, 'created_ms')),
    algorithm: row.algorithm === null ? undefined : textOf(row, 'algorithm'),
    checksumType: row.checksum_type === null ? undefined : textOf(row, 'checksum_type'),
  }));
  const truncated = rows.length > max;
  const last = truncated ? uploads.at(-1) : undefined;
  const nodes: XmlNode[] = [
    ['Bucket', bucket],
    ['KeyMarker', encode(keyMarker)],
    ['UploadIdMarker', idMarker],
    ['NextKeyMarker', last && encode(last.key)],
    ['NextUploadIdMarker', last?.id],
    ['Prefix', encode(prefix)],
    ['EncodingType', query.get('encoding-type')],
    ['MaxUploads', max],
    ['IsTruncated', truncated],
    ...uploads.map((upload): XmlNode => {
      const inner: XmlNode[] = [
        ['Key', encode(upload.key)],
        ['UploadId', upload.id],
        ['Initiated', upload.initiated],
        ['StorageClass', 'STANDARD'],
        ['ChecksumAlgorithm', upload.algorithm],
        ['ChecksumType', upload.checksumType],
      ];
      return ['Upload', inner];
    }),
  ];
  sendXml(response, xmlDocument('ListMultipartUploadsResult', nodes));
};
