import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Crc32 } from '@karst/shared/crc32.ts';
import {
  MULTIPART_THRESHOLD_BYTES,
  partSizeBytes,
  type Upload,
} from '@karst/shared/protocol/files.ts';

/** A plain object store below `<url>/storage/`, as presigned URLs show one. */
export class TestStorage {
  readonly objects = new Map<string, Buffer>();
  /** Answers this status to uploads, while set. */
  status: number | undefined;
  /** The status that uploads of certain objects are answered with; undefined: they are taken. */
  refuses: (key: string) => number | undefined = () => undefined;
  /** Answers to downloads stand still behind so many bytes, while set. */
  sendsAtMost: number | undefined;
  /** How many do, and are still listened to. */
  stalled = 0;
  readonly #url: () => string;

  constructor(url: () => string) {
    this.#url = url;
  }

  urlOf(key: string): string {
    return `${this.#url()}/storage/${encodeURIComponent(key)}`;
  }

  /** How to upload an object; undefined when its parts' CRC-32s are missing. */
  upload(key: string, sizeBytes: number, partSums: string[] = []): Upload | undefined {
    if (sizeBytes <= MULTIPART_THRESHOLD_BYTES) {
      return { kind: 'single', url: this.urlOf(key), headers: { 'x-amz-meta-test': 'yes' } };
    }
    const partBytes = partSizeBytes(sizeBytes);
    const count = Math.ceil(sizeBytes / partBytes);
    if (partSums.length !== count) return undefined;
    const parts = partSums.map((sum, part) => ({
      url: this.urlOf(`parts/${key}/${part}`),
      headers: { 'x-amz-checksum-crc32': sum },
    }));
    return { kind: 'multipart', uploadId: key, partSizeBytes: partBytes, parts };
  }

  /** Joins the parts of an upload; false when one is missing or another. */
  complete(key: string, etags: string[]): boolean {
    const parts: Buffer[] = [];
    for (const [part, etag] of etags.entries()) {
      const content = this.objects.get(`parts/${key}/${part}`);
      if (content === undefined || etagOf(content) !== etag) return false;
      parts.push(content);
    }
    this.objects.set(key, Buffer.concat(parts));
    return true;
  }

  answer(request: IncomingMessage, response: ServerResponse, key: string, body: Buffer): void {
    const sum = request.headers['x-amz-checksum-crc32'];
    const refused = request.method === 'PUT' ? (this.status ?? this.refuses(key)) : undefined;
    if (request.method === 'GET') {
      const content = this.objects.get(key);
      response.statusCode = content === undefined ? 404 : 200;
      if (content === undefined || content.length <= (this.sendsAtMost ?? content.length)) {
        response.end(content);
      } else {
        response.setHeader('content-length', content.length);
        this.stalled += 1;
        response.on('close', () => {
          this.stalled -= 1;
        });
        response.write(content.subarray(0, this.sendsAtMost));
      }
    } else if (refused !== undefined) {
      response.statusCode = refused;
      response.end('<Error><Code>SlowDown</Code><Message>later</Message></Error>');
    } else if (sum !== undefined && sum !== crc32Of(body)) {
      response.statusCode = 400;
      response.end('<Error><Code>BadDigest</Code></Error>');
    } else {
      this.objects.set(key, body);
      response.setHeader('etag', etagOf(body));
      response.end();
    }
  }
}

function crc32Of(content: Buffer): string {
  const sum = new Crc32();
  sum.update(content);
  return sum.digest().toString('base64');
}

const etagOf = (content: Buffer): string => `"${createHash('md5').update(content).digest('hex')}"`;
