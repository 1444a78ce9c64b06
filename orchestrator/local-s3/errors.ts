/** Every refusal this endpoint can give: S3 code -> HTTP status and default message. */
const catalogue = {
  AccessDenied: [403, 'Access Denied.'],
  AuthorizationHeaderMalformed: [400, 'The authorization header is malformed.'],
  AuthorizationQueryParametersError: [400, 'The authorization query parameters are malformed.'],
  BadDigest: [400, 'The checksum you specified did not match what we received.'],
  BucketAlreadyOwnedByYou: [409, 'You already own this bucket.'],
  BucketNotEmpty: [409, 'The bucket you tried to delete is not empty.'],
  EntityTooLarge: [400, 'Your proposed upload exceeds the maximum allowed size.'],
  EntityTooSmall: [400, 'A part other than the last is smaller than 5 MiB.'],
  IncompleteBody: [400, 'The body is not as long as its headers said.'],
  InsufficientStorage: [507, 'The disk of this endpoint is full; nothing was stored.'],
  InternalError: [500, 'We encountered an internal error.'],
  InvalidAccessKeyId: [403, 'The access key id you provided does not exist.'],
  InvalidArgument: [400, 'Invalid argument.'],
  InvalidBucketName: [400, 'The specified bucket is not valid.'],
  InvalidDigest: [400, 'The Content-MD5 or checksum you specified is not valid.'],
  InvalidPart: [400, 'A part could not be found, or its ETag or checksum does not match.'],
  InvalidPartOrder: [400, 'The list of parts was not in ascending order.'],
  InvalidRange: [416, 'The requested range cannot be satisfied.'],
  InvalidRequest: [400, 'Invalid request.'],
  InvalidURI: [400, 'The request path could not be parsed.'],
  KeyTooLongError: [400, 'Your key is longer than 1024 bytes of UTF-8.'],
  MalformedTrailerError: [400, 'The trailing headers are missing or malformed.'],
  MalformedXML: [400, 'The XML you provided was not well-formed or not of the expected shape.'],
  MetadataTooLarge: [400, 'Your metadata headers exceed 2048 bytes.'],
  MethodNotAllowed: [405, 'The method is not allowed against this resource.'],
  MissingContentLength: [411, 'You must provide the Content-Length header.'],
  NoSuchBucket: [404, 'The specified bucket does not exist.'],
  NoSuchKey: [404, 'The specified key does not exist.'],
  NoSuchUpload: [404, 'The specified upload does not exist; it may be completed or aborted.'],
  NotImplemented: [501, 'This endpoint does not implement that.'],
  PreconditionFailed: [412, 'At least one of the preconditions you specified did not hold.'],
  RequestTimeTooSkewed: [403, 'The request time differs from the server time by over 15 minutes.'],
  SignatureDoesNotMatch: [403, 'The request signature we calculated does not match yours.'],
  XAmzContentChecksumMismatch: [400, 'The body does not match its x-amz-checksum.'],
  XAmzContentSHA256Mismatch: [400, 'The body does not match its x-amz-content-sha256.'],
} as const satisfies Record<string, readonly [number, string]>;

export type S3ErrorCode = keyof typeof catalogue;

/** A refusal the client is told about. `headers` go out with the response. */
export class S3Error extends Error {
  readonly code: S3ErrorCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: S3ErrorCode, detail?: string, headers: Record<string, string> = {}) {
    super(detail ?? catalogue[code][1]);
    this.name = 'S3Error';
    this.code = code;
    this.status = catalogue[code][0];
    this.headers = headers;
  }
}

const diskFullCodes = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const sqliteFull = 13;

/** Maps what the filesystem and SQLite throw to an S3 error; undefined means an unexpected fault. */
export function asS3Error(error: unknown): S3Error | undefined {
  if (error instanceof S3Error) return error;
  if (!(error instanceof Error)) return undefined;
  if ('errcode' in error && error.errcode === sqliteFull) return new S3Error('InsufficientStorage');
  if ('code' in error && typeof error.code === 'string' && diskFullCodes.has(error.code)) {
    return new S3Error('InsufficientStorage');
  }
  return undefined;
}
