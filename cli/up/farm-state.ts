import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Random } from '@karst/shared/random.ts';
import { z } from 'zod';
import { type FarmFile, farmFilePath, readFarmFile } from '../connection/farm-files.ts';
import { CliError, errnoCode } from '../failure.ts';
import { freePort, isPortFree } from './ports.ts';

export const DEFAULT_PORT = 7420;

const secretsSchema = z.object({
  redisPassword: z.string().min(20),
  s3AccessKey: z.string().min(10),
  s3SecretKey: z.string().min(20),
});
export type FarmSecrets = z.infer<typeof secretsSchema>;

/** Makes the directory and keeps others out: it will hold keys, and everybody's files. */
export async function prepareFarmDir(farmDir: string): Promise<void> {
  try {
    await mkdir(farmDir, { recursive: true, mode: 0o700 });
    await chmod(farmDir, 0o700);
    for (const name of ['logs', 'redis', 'objects', 'agents']) {
      await mkdir(path.join(farmDir, name), { recursive: true, mode: 0o700 });
    }
  } catch (error) {
    throw new CliError(`${farmDir} can't be used (${errnoCode(error)}).`, { cause: error });
  }
}

/** The secrets of the farm's parts, made once and kept in a file only its owner can read. */
export async function loadSecrets(farmDir: string, random: Random): Promise<FarmSecrets> {
  const file = path.join(farmDir, 'secrets.json');
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw new CliError(`${file} can't be read (${errnoCode(error)}).`, { cause: error });
  });
  if (text !== undefined) {
    try {
      return secretsSchema.parse(JSON.parse(text));
    } catch (error) {
      throw new CliError(`${file} is damaged; the farm's Redis and storage need it.`, {
        cause: error,
      });
    }
  }
  const secrets = {
    redisPassword: random.secret(24),
    s3AccessKey: `karst${random.secret(12).replaceAll(/[^A-Za-z0-9]/g, '0')}`,
    s3SecretKey: random.secret(30),
  };
  await writePrivate(file, secrets);
  return secrets;
}

/**
 * The farm's ports: those of last time, so that everything stays where it was. Redis and storage move
 * when somebody else took theirs; the orchestrator's is what people know, so then it is an error.
 */
export async function choosePorts(
  farmDir: string,
  wantedPort: number | undefined,
): Promise<FarmFile> {
  const before = await readFarmFile(farmDir);
  const asked = wantedPort ?? before?.port ?? DEFAULT_PORT;
  const port = asked === 0 ? await freePort() : asked;
  if (!(await isPortFree(port))) {
    throw new CliError(`Port ${port} is in use by another program.`, {
      details: ['Choose another with: karst up --port N (0 for any free one)'],
    });
  }
  const farm: FarmFile = {
    url: `http://127.0.0.1:${port}`,
    port,
    redisPort: await keptOrFree(before?.redisPort),
    s3Port: await keptOrFree(before?.s3Port),
  };
  await writePrivate(farmFilePath(farmDir), farm);
  return farm;
}

async function keptOrFree(port: number | undefined): Promise<number> {
  return port !== undefined && (await isPortFree(port)) ? port : freePort();
}

async function writePrivate(file: string, value: unknown): Promise<void> {
  const partial = `${file}.new`;
  await writeFile(partial, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  await rename(partial, file);
}
