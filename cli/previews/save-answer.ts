import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { asBrokenAnswer } from '../api/http.ts';
import { CliError, errnoCode } from '../failure.ts';

/** A name of the farm's as that of a file here: what paths are made of becomes '_'. */
export function localName(name: string): string {
  const plain = name.replace(/\.[a-z]+$/i, '').replace(/[^\p{L}\p{N} .#_-]/gu, '_');
  return plain.replace(/#+/g, 'film').replace(/^\.+/, '_') || '_';
}

/** Writes an answer into `file`, which is never half written. Throws CliError, NetworkError. */
export async function saveAnswer(answer: IncomingMessage, file: string): Promise<void> {
  const partial = `${file}.part`;
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await pipeline(answer, createWriteStream(partial));
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    const broken = asBrokenAnswer(error);
    const code = errnoCode(error);
    if (broken !== error || code === undefined) throw broken;
    throw new CliError(`${file} can't be written (${code}).`, { cause: error });
  }
}
