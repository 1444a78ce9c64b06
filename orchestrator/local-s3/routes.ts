import {
  bucketLocation,
  createBucket,
  deleteBucket,
  headBucket,
  listBuckets,
  listObjectsV1,
  listObjectsV2,
} from './bucket-operations.ts';
import { completeUpload } from './complete-upload.ts';
import { copyObject, uploadPartCopy } from './copy-operations.ts';
import { S3Error } from './errors.ts';
import type { Operation } from './exchange.ts';
import { abortUpload, createUpload, listParts, uploadPart } from './multipart-operations.ts';
import { deleteObject, deleteObjects, getOrHeadObject, putObject } from './object-operations.ts';
import type { S3Request } from './request.ts';
import { listUploads } from './upload-listing.ts';

type Route = {
  method: string;
  level: 'service' | 'bucket' | 'object';
  /** Query parameters that must be there. */
  needs: readonly string[];
  /** Query parameters that may be there; any other is refused by name. */
  takes: readonly string[];
  /** True picks the route only with x-amz-copy-source. */
  copies?: boolean;
  operation: Operation;
};

const listing = ['prefix', 'delimiter', 'encoding-type', 'max-keys'];
const responseHeaders = [
  'response-content-type',
  'response-content-disposition',
  'response-content-encoding',
  'response-content-language',
  'response-cache-control',
  'response-expires',
];

function route(
  at: string,
  operation: Operation,
  rest: { needs?: string[]; takes?: string[]; copies?: boolean } = {},
): Route {
  const [method = '', level] = at.split(' ');
  if (level !== 'service' && level !== 'bucket' && level !== 'object') throw new Error(at);
  return { method, level, operation, needs: [], takes: [], ...rest };
}

/** The first route that fits wins, so the ones that need more stand first. */
const routes: readonly Route[] = [
  route('GET service', listBuckets),
  route('PUT bucket', createBucket),
  route('HEAD bucket', headBucket),
  route('DELETE bucket', deleteBucket),
  route('POST bucket', deleteObjects, { needs: ['delete'] }),
  route('GET bucket', bucketLocation, { needs: ['location'] }),
  route('GET bucket', listUploads, {
    needs: ['uploads'],
    takes: ['prefix', 'encoding-type', 'max-uploads', 'key-marker', 'upload-id-marker'],
  }),
  route('GET bucket', listObjectsV2, {
    needs: ['list-type'],
    takes: [...listing, 'continuation-token', 'start-after', 'fetch-owner'],
  }),
  route('GET bucket', listObjectsV1, { takes: [...listing, 'marker'] }),
  route('GET object', listParts, {
    needs: ['uploadId'],
    takes: ['max-parts', 'part-number-marker'],
  }),
  route('GET object', getOrHeadObject, { takes: responseHeaders }),
  route('HEAD object', getOrHeadObject, { takes: responseHeaders }),
  route('PUT object', uploadPartCopy, { needs: ['uploadId', 'partNumber'], copies: true }),
  route('PUT object', uploadPart, { needs: ['uploadId', 'partNumber'] }),
  route('PUT object', copyObject, { copies: true }),
  route('PUT object', putObject),
  route('DELETE object', abortUpload, { needs: ['uploadId'] }),
  route('DELETE object', deleteObject),
  route('POST object', createUpload, { needs: ['uploads'] }),
  route('POST object', completeUpload, { needs: ['uploadId'] }),
];

const levelOf = ({ bucket, key }: S3Request) =>
  bucket === '' ? 'service' : key === '' ? 'bucket' : 'object';

/** Headers that mean nothing to a store with one owner, one region and one storage class. */
const knownHeaders = new Set([
  'x-amz-acl',
  'x-amz-checksum-mode',
  'x-amz-checksum-type',
  'x-amz-checksum-algorithm',
  'x-amz-content-sha256',
  'x-amz-date',
  'x-amz-decoded-content-length',
  'x-amz-metadata-directive',
  'x-amz-mp-object-size',
  'x-amz-sdk-checksum-algorithm',
  'x-amz-storage-class',
  'x-amz-trailer',
  'x-amz-user-agent',
]);
const knownHeaderPrefixes = ['x-amz-meta-', 'x-amz-checksum-', 'x-amz-copy-source'];

function refuseUnknownHeaders(request: S3Request): void {
  for (const name of request.amzHeaders) {
    if (knownHeaders.has(name) || knownHeaderPrefixes.some((start) => name.startsWith(start))) {
      continue;
    }
    throw new S3Error('NotImplemented', `the header ${name} is not supported`);
  }
  const acl = request.header('x-amz-acl') ?? 'private';
  if (acl !== 'private') throw new S3Error('NotImplemented', `the ACL ${acl} is not supported`);
  const storageClass = request.header('x-amz-storage-class') ?? 'STANDARD';
  if (storageClass !== 'STANDARD') {
    throw new S3Error('NotImplemented', `the storage class ${storageClass} is not supported`);
  }
}

/** Finds the operation. What this endpoint does not do is refused by name, never ignored. */
export function operationOf(request: S3Request): Operation {
  refuseUnknownHeaders(request);
  const level = levelOf(request);
  const copies = request.amzHeaders.has('x-amz-copy-source');
  const found = routes.find(
    (one) =>
      one.method === request.method &&
      one.level === level &&
      (one.copies ?? false) === (copies && one.method === 'PUT' && level === 'object') &&
      one.needs.every((name) => request.query.has(name)),
  );
  const strange = [...request.query.keys()].find(
    (name) =>
      name !== 'x-id' &&
      !name.toLowerCase().startsWith('x-amz-') &&
      !(found?.needs.includes(name) || found?.takes.includes(name)),
  );
  if (strange !== undefined) {
    throw new S3Error('NotImplemented', `the query parameter ${strange} is not supported here`);
  }
  if (!found) throw new S3Error('MethodNotAllowed');
  return found.operation;
}
