import path from 'node:path';
import { cacheDir } from '../cache-dir.ts';
import type { CliContext } from '../context.ts';
import { HashCache } from './hash-cache.ts';

/** The person's hash cache; undefined where there is no place for it or KARST_NO_HASH_CACHE is set. */
export function openHashCache({ env, clock, random }: CliContext): HashCache | undefined {
  const dir = cacheDir(env);
  if (dir === undefined || env.KARST_NO_HASH_CACHE) return undefined;
  return new HashCache(path.join(dir, 'hashes'), clock, random);
}
