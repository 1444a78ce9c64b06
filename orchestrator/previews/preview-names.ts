import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';

/** Names below a step's prefix. What is made of one picture is named by that picture's SHA-256. */
export const previewNames = {
  index: 'index.json',
  facts: (sha256: string) => `${sha256}.json`,
  thumbnail: (sha256: string) => `${sha256}.jpg`,
  filmFrame: (sha256: string) => `${sha256}-film.jpg`,
  sheet: (hash: string) => `sheet-${hash}.jpg`,
  movie: (hash: string) => `movie-${hash}.mp4`,
} as const;

/** 32 hexadecimal digits for a file's content. */
export async function contentHash(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex').slice(0, 32);
}
