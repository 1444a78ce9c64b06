import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { studioIdSchema } from '@karst/shared/protocol/ids.ts';
import type { Random } from '@karst/shared/random.ts';
import { type ApiKeys, newKeyText } from './api-keys.ts';

const owner = {
  studio: studioIdSchema.parse('default'),
  role: 'admin',
  note: "the farm's first key",
} as const;

/**
 * Makes sure that `file` holds the text of an admin key (of studio `default`), readable by its owner
 * only, and that Redis knows the key: Redis losing it heals at the next start. Replicas that start
 * together settle on one key. Answers the key's text. Throws when the file holds something else, or
 * a key that was revoked.
 */
export async function ensureAdminKey(
  apiKeys: ApiKeys,
  random: Random,
  file: string,
): Promise<string> {
  const text = (await readKey(file)) ?? (await writeKey(file, newKeyText(random), random));
  const state = await apiKeys.restore(text, owner);
  if (state === 'revoked') {
    throw new Error(`the key in ${file} was revoked: remove the file to have a new one made`);
  }
  return text;
}

async function readKey(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Writes whole or not at all, and never over another replica's key: link() fails if the name exists. */
async function writeKey(file: string, text: string, random: Random): Promise<string> {
  await mkdir(dirname(file), { recursive: true });
  const draft = `${file}.${random.uuid()}`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(`${text}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    await link(draft, file);
    return text;
  } catch (error) {
    const winner = await readKey(file);
    if (winner === undefined) throw error;
    return winner;
  } finally {
    await rm(draft, { force: true });
  }
}
