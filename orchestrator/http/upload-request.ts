import { type PartChecksum, partChecksumOf } from '@karst/shared/protocol/part-checksums.ts';
import { partCount } from '../objects/uploads.ts';
import { ProblemError } from './handler.ts';

interface RequestedFile {
  sizeBytes: number;
  partSums?: readonly string[] | undefined;
}

/**
 * Throws ProblemError invalid_request unless every file that travels in parts names the sum of each:
 * storage checks them, and what it doesn't check may arrive broken.
 */
export function requirePartSums(files: readonly RequestedFile[], checksum: PartChecksum): void {
  const errors = files.flatMap((file, index) => {
    const parts = partCount(file.sizeBytes);
    const given = (file.partSums ?? []).filter((sum) => partChecksumOf(sum) === checksum).length;
    if (parts === 1 || given === parts) return [];
    return [
      {
        path: ['body', 'files', index, 'partSums'],
        message: `found ${given} ${checksum} sums, expected ${parts}: one for each part of ${file.sizeBytes} bytes`,
      },
    ];
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
