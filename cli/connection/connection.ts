import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { ApiClient } from '../api/client.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliError, errnoCode, usageError } from '../failure.ts';
import { adminKeyPath, findFarmDir, readFarmFile } from './farm-files.ts';

/** The flags of every command that talks to an orchestrator. */
export const connectionOptionsSchema = z.object({
  url: z.string().optional(),
  keyFile: z.string().optional(),
  insecure: z.boolean().optional(),
});
export type ConnectionOptions = z.infer<typeof connectionOptionsSchema>;

/**
 * Where and as whom: flags, then KARST_URL and KARST_API_KEY(_FILE), then the nearest `.karst`.
 * The local farm's admin key goes to that farm only, never to a URL given otherwise.
 */
export async function connect(context: CliContext, options: ConnectionOptions): Promise<ApiClient> {
  const farmDir = findFarmDir(context.cwd);
  const farm = farmDir === undefined ? undefined : await readFarmFile(farmDir);
  const given = options.url ?? context.env.KARST_URL;
  const urlText = given ?? farm?.url;
  if (urlText === undefined) {
    throw usageError('No farm to talk to.', [
      'Start one on this machine with: karst up',
      'or name one with --url or KARST_URL, and its key with --key-file or KARST_API_KEY.',
    ]);
  }
  const url = parseUrl(urlText);
  refuseCleartext(url, options.insecure ?? false);
  const isLocalFarm = farm !== undefined && new URL(farm.url).origin === url.origin;
  const key = await findKey(context, options, isLocalFarm ? farmDir : undefined);
  return new ApiClient({ url, key, random: context.random });
}

function parseUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw usageError(`"${text}" is not an http:// or https:// URL.`);
  }
  return url;
}

const isLoopback = (host: string) =>
  host === 'localhost' ||
  host.endsWith('.localhost') ||
  host === '[::1]' ||
  /^127(\.\d{1,3}){3}$/.test(host);

function refuseCleartext(url: URL, insecure: boolean): void {
  if (url.protocol === 'https:' || insecure || isLoopback(url.hostname)) return;
  throw usageError(
    `${url.origin} is not encrypted, and everybody on the way could read the API key.`,
    ['Use https://, or add --insecure if you trust the network.'],
  );
}

async function findKey(
  context: CliContext,
  options: ConnectionOptions,
  farmDir: string | undefined,
): Promise<string> {
  if (options.keyFile !== undefined) return readKey(path.resolve(context.cwd, options.keyFile));
  const { KARST_API_KEY: key, KARST_API_KEY_FILE: keyFile } = context.env;
  if (key !== undefined && key !== '') return checkedKey(key.trim(), 'KARST_API_KEY');
  if (keyFile !== undefined && keyFile !== '') return readKey(path.resolve(context.cwd, keyFile));
  if (farmDir !== undefined) return readKey(adminKeyPath(farmDir));
  throw new CliError('No API key. Give one with --key-file, KARST_API_KEY or KARST_API_KEY_FILE.', {
    exitCode: exitCodes.auth,
  });
}

async function readKey(file: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new CliError(`The API key file ${file} can't be read (${errnoCode(error)}).`, {
      exitCode: exitCodes.auth,
      cause: error,
    });
  }
  return checkedKey(text.trim(), file);
}

/** Says what is wrong before a broken header does; never shows the key itself. */
function checkedKey(key: string, source: string): string {
  if (/^[\x21-\x7e]{1,500}$/.test(key)) return key;
  throw new CliError(`${source} does not hold an API key (karst_…, one line).`, {
    exitCode: exitCodes.auth,
  });
}
