import { createHash } from 'node:crypto';
import type { InputFile } from '@karst/shared/protocol/files.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import type { Farm } from '../../support/farm.ts';

export const sha256Of = (content: Buffer): string =>
  createHash('sha256').update(content).digest('hex');

/** Sends `sent` where storage expects `content`; answers storage's status, 200 if it has it already. */
export async function putAsset(farm: Farm, content: Buffer, sent = content): Promise<number> {
  const files = [{ sha256: sha256Of(content), sizeBytes: content.length }];
  const { uploads } = await farm.api().call(routes.createAssetUploads, { body: { files } });
  const upload = uploads[0]?.upload;
  if (upload === null) return 200;
  if (upload?.kind !== 'single') throw new Error('expected one upload by a single PUT');
  // The length of what is really sent, not of what was announced.
  const headers = new Headers(upload.headers);
  headers.delete('content-length');
  const answer = await fetch(upload.url, { method: 'PUT', headers, body: new Uint8Array(sent) });
  await answer.arrayBuffer();
  return answer.status;
}

/** Uploads an input file the way clients do; answers its line in a manifest. */
export async function uploadAsset(
  farm: Farm,
  content: Buffer,
  path = 'input.txt',
): Promise<InputFile> {
  const status = await putAsset(farm, content);
  if (status !== 200) throw new Error(`storage answered ${status}`);
  return { path, sha256: sha256Of(content), sizeBytes: content.length, executable: false };
}
