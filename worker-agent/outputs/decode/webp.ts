import { begins, type Fault, type FileBytes, truncated } from './file-bytes.ts';

/** The container's length, and the chunks within it. */
export async function checkWebp(bytes: FileBytes): Promise<Fault> {
  const head = await bytes.at(0, 12);
  const name = head.toString('latin1');
  if (!name.startsWith('RIFF') || name.slice(8) !== 'WEBP') return `is no WebP: ${begins(head)}`;
  const end = 8 + head.readUInt32LE(4);
  for (let at = 12; at < end; ) {
    const chunk = await bytes.at(at, 8);
    if (chunk.length < 8) return truncated(`before byte ${end}, where it should`);
    const length = chunk.readUInt32LE(4);
    // Chunks are padded to an even length.
    at += 8 + length + (length % 2);
    if (at > bytes.size) return truncated(`within chunk ${chunk.toString('latin1', 0, 4).trim()}`);
  }
  return undefined;
}
