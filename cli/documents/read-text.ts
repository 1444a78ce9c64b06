import { createReadStream } from 'node:fs';
import { sourceBytesMax } from '@karst/shared/openjd/source.ts';
import { err, ok, type Result } from '@karst/shared/result.ts';
import { errnoCode } from '../failure.ts';

/** A text file of at most 1 MiB, or a sentence fragment that says why not: "can't be read (EACCES)". */
export async function readText(file: string): Promise<Result<string, string>> {
  try {
    return await readTextStream(createReadStream(file));
  } catch (error) {
    const code = errnoCode(error);
    if (code === undefined) throw error;
    if (code === 'ENOENT') return err('does not exist');
    return err(code === 'EISDIR' ? 'is a directory' : `can't be read (${code})`);
  }
}

/** A stream's UTF-8 text, or why there is none. Pipes and devices may go on for ever: we do not. */
export async function readTextStream(
  stream: AsyncIterable<Uint8Array>,
): Promise<Result<string, string>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > sourceBytesMax)
      return err(`is too long: more than ${sourceBytesMax} bytes (1 MiB)`);
  }
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    return ok(decoder.decode(Buffer.concat(chunks)));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return err('is not a text file (its bytes are not UTF-8)');
  }
}
