import { readFile, stat } from 'node:fs/promises';
import { sourceBytesMax } from '@karst/shared/openjd/source.ts';
import { err, ok, type Result } from '@karst/shared/result.ts';
import { errnoCode } from '../failure.ts';

/** A text file of at most 1 MiB, or a sentence fragment that says why not: "can't be read (EACCES)". */
export async function readText(file: string): Promise<Result<string, string>> {
  let bytes: Uint8Array;
  try {
    const { size } = await stat(file);
    if (size > sourceBytesMax) return err(tooLong(size));
    bytes = await readFile(file);
  } catch (error) {
    const code = errnoCode(error);
    if (code === undefined) throw error;
    if (code === 'ENOENT') return err('does not exist');
    return err(code === 'EISDIR' ? 'is a directory' : `can't be read (${code})`);
  }
  return decodeText(bytes);
}

/** Bytes as UTF-8 text, or why they are none. */
export function decodeText(bytes: Uint8Array): Result<string, string> {
  if (bytes.length > sourceBytesMax) return err(tooLong(bytes.length));
  try {
    return ok(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return err('is not a text file (its bytes are not UTF-8)');
  }
}

const tooLong = (bytes: number) =>
  `is too long: ${bytes} bytes, expected at most ${sourceBytesMax} (1 MiB)`;
