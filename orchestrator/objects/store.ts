import { type Clock, systemClock } from '@karst/shared/clock.ts';
import { type BucketOperations, bucketOperations } from './bucket.ts';
import { createClient, type ObjectStoreConfig } from './client.ts';
import { type CollectOperations, collectOperations } from './collecting.ts';
import { createDirect } from './direct.ts';
import { type PresenceOperations, presenceOperations } from './presence.ts';
import { createPresign, escapeUri, type Presign } from './presign.ts';
import { type ReadOperations, readOperations } from './reading.ts';
import { type Uploads, uploadOperations } from './uploads.ts';
import { type WriteOperations, writeOperations } from './writing.ts';

export type { ObjectStoreConfig } from './client.ts';

export interface PresignGetOptions {
  expiresInSeconds?: number;
  /** Browsers save the answer under this name instead of showing it. */
  downloadAs?: string;
}

/**
 * The farm's bucket. Absent objects answer undefined; outages throw ObjectStoreUnavailableError,
 * anything else the SDK's error.
 */
export interface ObjectStore
  extends ReadOperations,
    PresenceOperations,
    WriteOperations,
    BucketOperations,
    CollectOperations,
    Uploads {
  /** A URL with which anybody can read `key` for an hour, unless told otherwise. */
  presignGet(key: string, options?: PresignGetOptions): Promise<string>;
}

const URL_LIFETIME_SECONDS = 3600;

export function createObjectStore(
  config: ObjectStoreConfig,
  clock: Clock = systemClock,
): ObjectStore {
  const client = createClient(config);
  const direct = createDirect(config, client, clock);
  const bucket = { client, name: config.bucket, direct: direct.send };
  const endpoint = config.publicEndpoint ?? config.endpoint;
  const presign = createPresign(config, client, endpoint, clock);
  const reading = readOperations(bucket);
  const operations = bucketOperations(bucket, config.endpoint);
  return {
    ...reading,
    ...presenceOperations(bucket, reading),
    ...writeOperations(bucket, reading),
    ...operations,
    close() {
      direct.close();
      operations.close();
    },
    ...uploadOperations(bucket, presign),
    // These go from here, not from nodes and clients.
    ...collectOperations(bucket, createPresign(config, client, config.endpoint, clock)),
    presignGet: async (key, options = {}) => presignGet(presign, key, options),
  };
}

const presignGet = (presign: Presign, key: string, options: PresignGetOptions) =>
  presign({
    method: 'GET',
    key,
    query:
      options.downloadAs === undefined
        ? {}
        : { 'response-content-disposition': attachment(options.downloadAs) },
    expiresInSeconds: options.expiresInSeconds ?? URL_LIFETIME_SECONDS,
  });

/** RFC 6266: an ASCII fallback, then the real name. */
function attachment(name: string): string {
  const ascii = name.replace(/[^ -~]|["\\%]/g, '_');
  return `attachment; filename="${ascii}"; filename*=UTF-8''${escapeUri(name)}`;
}
