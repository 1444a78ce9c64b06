import type { Clock } from '@karst/shared/clock.ts';
import { keySchema, type Role } from '@karst/shared/protocol/access.ts';
import { type KeyId, keyIdSchema, newKeyId, type StudioId } from '@karst/shared/protocol/ids.ts';
import type { Random } from '@karst/shared/random.ts';
import { z } from 'zod';
import type { Redis } from '../store/connection.ts';
import { keys } from '../store/keys.ts';
import { ExpiringCache } from './expiring-cache.ts';
import { hashSecret, SECRET_BYTES, secretMatches } from './secret.ts';

export type ApiKey = z.output<typeof keySchema>;
export interface KeyOwner {
  studio: StudioId;
  role: Role;
  note: string;
}

/** API keys: `karst_<id>_<secret>`, stored hashed. */
export interface ApiKeys {
  /** The only time that the key's text is known. */
  create(owner: KeyOwner): Promise<{ key: ApiKey; text: string }>;
  /** The key whose text this is, or undefined when malformed, unknown, revoked or wrong. */
  verify(text: string): Promise<ApiKey | undefined>;
  /** Oldest first. */
  list(): Promise<ApiKey[]>;
  /** Answers whether there was such a key. Other replicas follow within CACHED_MS. */
  revoke(id: KeyId): Promise<boolean>;
  /** Puts a key back whose text is known. `revoked`: it was taken away on purpose, and stays so. */
  restore(text: string, owner: KeyOwner): Promise<'present' | 'restored' | 'revoked'>;
}

/** Revocation must reach every replica within ten seconds. */
const CACHED_MS = 5000;
const CACHED_KEYS_MAX = 10_000;
const keyText = /^karst_([0-9a-f]{20})_([A-Za-z0-9_-]{43})$/;

/** A revoked key keeps a record without hash: its file must not bring it back. */
const recordSchema = keySchema.omit({ id: true }).extend({
  hash: z.string(),
});
type Stored = { key: ApiKey; hash: string };

export function createApiKeys(redis: Redis, clock: Clock, random: Random): ApiKeys {
  const cache = new ExpiringCache<Stored>(CACHED_KEYS_MAX);

  const write = async (id: KeyId, owner: KeyOwner, secret: string): Promise<ApiKey> => {
    const createdAt = new Date(clock.nowMs()).toISOString();
    await redis.hset(keys.apiKey(id), { ...owner, createdAt, hash: hashSecret(secret) });
    await redis.sadd(keys.apiKeys(), id);
    return { id, ...owner, createdAt };
  };
  const read = async (id: KeyId): Promise<Stored | undefined> => {
    const record = recordSchema.safeParse(await redis.hgetall(keys.apiKey(id)));
    if (!record.success) return undefined;
    const { hash, ...key } = record.data;
    return { key: { id, ...key }, hash };
  };

  return {
    async create(owner) {
      const id = newKeyId(random);
      const secret = random.secret(SECRET_BYTES);
      return { key: await write(id, owner, secret), text: `karst_${id}_${secret}` };
    },
    async verify(text) {
      const parts = parseKeyText(text);
      if (parts === undefined) return undefined;
      const nowMs = clock.monotonicMs();
      let stored = cache.get(parts.id, nowMs);
      if (stored === undefined) {
        stored = await read(parts.id);
        if (stored === undefined) return undefined;
        cache.set(parts.id, stored, nowMs + CACHED_MS);
      }
      return secretMatches(parts.secret, stored.hash) ? stored.key : undefined;
    },
    async list() {
      const ids = z.array(keyIdSchema).parse(await redis.smembers(keys.apiKeys()));
      const stored = await Promise.all(ids.map(read));
      return stored
        .flatMap((entry) => (entry === undefined ? [] : [entry.key]))
        .sort((a, b) => a.createdAt.localeCompare(b.createdAt) || a.id.localeCompare(b.id));
    },
    async revoke(id) {
      const removed = await redis.hdel(keys.apiKey(id), 'hash');
      if (removed > 0) await redis.hset(keys.apiKey(id), 'revokedAtMs', clock.nowMs());
      await redis.srem(keys.apiKeys(), id);
      cache.delete(id);
      return removed > 0;
    },
    async restore(text, owner) {
      const parts = parseKeyText(text);
      if (parts === undefined)
        throw new Error('this is not an API key: expected karst_<id>_<secret>');
      if ((await redis.hexists(keys.apiKey(parts.id), 'revokedAtMs')) === 1) return 'revoked';
      const stored = await read(parts.id);
      if (stored !== undefined && secretMatches(parts.secret, stored.hash)) return 'present';
      await write(parts.id, owner, parts.secret);
      return 'restored';
    },
  };
}

function parseKeyText(text: string): { id: KeyId; secret: string } | undefined {
  const [, id, secret] = keyText.exec(text) ?? [];
  return id === undefined || secret === undefined
    ? undefined
    : { id: keyIdSchema.parse(id), secret };
}

/** A new key's text, for a file that is written before Redis knows the key. */
export const newKeyText = (random: Random): string =>
  `karst_${newKeyId(random)}_${random.secret(SECRET_BYTES)}`;
