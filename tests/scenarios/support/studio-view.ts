import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { JobId } from '@karst/shared/protocol/ids.ts';
import type { TestStorage } from '../../support/storage.ts';

/** Storage as a studio's people see it: with an S3 client of their own. */
export class StudioView {
  private readonly bucket: string;
  private readonly client: S3Client;

  constructor({ endpoint, bucket, accessKeyId, secretAccessKey }: TestStorage) {
    this.bucket = bucket;
    this.client = new S3Client({
      endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId, secretAccessKey },
    });
  }

  async keys(prefix: string): Promise<string[]> {
    const keys: string[] = [];
    let token: string | undefined;
    do {
      const page = await this.client.send(
        new ListObjectsV2Command({ Bucket: this.bucket, Prefix: prefix, ContinuationToken: token }),
      );
      for (const { Key } of page.Contents ?? []) keys.push(Key ?? '');
      token = page.NextContinuationToken;
    } while (token !== undefined);
    return keys;
  }

  async text(key: string): Promise<string> {
    const object = await this.client.send(new GetObjectCommand({ Bucket: this.bucket, Key: key }));
    return (await object.Body?.transformToString()) ?? '';
  }

  /** The CRC-32 that storage keeps of an object: of an upload in parts, `<of theirs>-<how many>`. */
  async checksum(key: string): Promise<string | undefined> {
    const asked = { Bucket: this.bucket, Key: key, ChecksumMode: 'ENABLED' as const };
    return (await this.client.send(new HeadObjectCommand(asked))).ChecksumCRC32;
  }

  async put(key: string, body: Buffer): Promise<void> {
    await this.client.send(new PutObjectCommand({ Bucket: this.bucket, Key: key, Body: body }));
  }

  /** The published outputs of a job: `<step>/<path>` → content. */
  async outputs(jobId: JobId, studio = 'default'): Promise<Record<string, string>> {
    const prefix = `studios/${studio}/outputs/${jobId}/`;
    const contents: Record<string, string> = {};
    for (const key of await this.keys(prefix)) {
      contents[key.slice(prefix.length)] = await this.text(key);
    }
    return contents;
  }
}
