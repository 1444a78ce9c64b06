import { type PartChecksum, partChecksumOf } from '@karst/shared/protocol/part-checksums.ts';
import { partCount } from '../objects/uploads.ts';
import { ProblemError } from './handler.ts';

interface RequestedFile {
  sizeBytes: number;
  partSums?: readonly string[] | undefined;
}

/**
 * Throws ProblemError invalid_request unless every file that travels in parts names the sum of each, all
 * of `checksum` or all MD5, which every storage checks: what it doesn't check may arrive broken.
 */
export function requirePartSums(files: readonly RequestedFile[], checksum: PartChecksum): void {
  const errors = files.flatMap((file, index) => {
    const parts = partCount(file.sizeBytes);
    const sums = file.partSums ?? [];
    const kinds = new Set(sums.map(partChecksumOf));
    const isOfOne = kinds.size === 1 && (kinds.has(checksum) || kinds.has('md5'));
    if (parts === 1 || (sums.length === parts && isOfOne)) return [];
    const found = sums.length === 0 ? 'none' : `${sums.length} of ${[...kinds].join(' and ')}`;
    const message = `found ${found}, expected ${parts} of ${checksum}: one for each part of ${file.sizeBytes} bytes`;
    return [{ path: ['body', 'files', index, 'partSums'], message }];
  });
  const [first] = errors;
  if (first !== undefined) {
    throw new ProblemError('invalid_request', `${first.path.join('.')}: ${first.message}`, errors);
  }
}

/** The problem of a multipart upload that can't be completed. */
export const incompleteUpload = (result: 'no_such_upload' | 'invalid_parts'): ProblemError =>
  new ProblemError(
    'conflict',
    result === 'no_such_upload'
      ? 'There is no such upload, or it was aborted: ask for a new one.'
      : 'Parts are missing, too small, or their ETags differ from what storage received.',
  );
