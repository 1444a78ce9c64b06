import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { CliError, errnoCode } from '../failure.ts';

/** `.karst/farm.json`: what `karst up` keeps across restarts and other commands look up. No secrets. */
export const farmFileSchema = z.object({
  url: z.url(),
  port: z.int().min(1).max(65_535),
  redisPort: z.int().min(1).max(65_535),
  s3Port: z.int().min(1).max(65_535),
});
export type FarmFile = z.infer<typeof farmFileSchema>;

export const FARM_DIR_NAME = '.karst';

export const farmFilePath = (farmDir: string) => path.join(farmDir, 'farm.json');
export const adminKeyPath = (farmDir: string) => path.join(farmDir, 'admin.key');

/** The nearest `.karst` with a farm in it, from `cwd` upwards. */
export function findFarmDir(cwd: string): string | undefined {
  for (let dir = path.resolve(cwd); ; dir = path.dirname(dir)) {
    const farmDir = path.join(dir, FARM_DIR_NAME);
    if (existsSync(farmFilePath(farmDir))) return farmDir;
    if (path.dirname(dir) === dir) return undefined;
  }
}

/** Reads farm.json; undefined where there is none. */
export async function readFarmFile(farmDir: string): Promise<FarmFile | undefined> {
  const file = farmFilePath(farmDir);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw new CliError(`${file} can't be read (${errnoCode(error)}).`, { cause: error });
  }
  try {
    return farmFileSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new CliError(`${file} is damaged. Remove it, and karst up will make a new one.`, {
      cause: error,
    });
  }
}
