import { z } from 'zod';
import { partSumSchema, putLinkSchema } from './part-checksums.ts';

/** Files above this size travel as multipart uploads of parts of this size, bytes. */
export const MULTIPART_THRESHOLD_BYTES = 64 * 1024 * 1024;
/** S3's own bounds: at most 10,000 parts of at most 5 GiB. Our parts grow so that any file fits. */
export const UPLOAD_PARTS_MAX = 10_000;

/** Size of each part (but the last) of a multipart upload of `sizeBytes`. */
export function partSizeBytes(sizeBytes: number): number {
  const least = Math.ceil(sizeBytes / UPLOAD_PARTS_MAX);
  const mebibyte = 1024 * 1024;
  return Math.max(MULTIPART_THRESHOLD_BYTES, Math.ceil(least / mebibyte) * mebibyte);
}

export const sha256Schema = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 as 64 lower-case hexadecimal digits')
  .meta({ id: 'Sha256' });

const badSegment = (segment: string) => segment === '' || segment === '.' || segment === '..';
const hasControlCharacter = (text: string) =>
  [...text].some((character) => (character.codePointAt(0) ?? 0) < 0x20 || character === '\u007f');

/**
 * A file's place in a job's file tree: relative, '/'-separated, at most 800 UTF-8 bytes (S3 keys end
 * at 1,024 and carry our prefix), no empty, '.' or '..' segment, no control characters or backslash.
 */
export const treePathSchema = z
  .string()
  .min(1)
  .refine((path) => new TextEncoder().encode(path).length <= 800, 'expected at most 800 bytes')
  .refine((path) => !path.split('/').some(badSegment), {
    message: "expected a relative path without empty, '.' or '..' segments",
  })
  .refine((path) => !hasControlCharacter(path) && !path.includes('\\'), {
    message: 'expected a path without control characters or backslashes',
  })
  .meta({ id: 'TreePath', description: "A file's place in a job's file tree, relative." });

/** Of an absolute path: with a drive or a server's name it is one of Windows. */
export function pathFormat(path: string): 'POSIX' | 'WINDOWS' | undefined {
  if (/^(?:[A-Za-z]:(?:[\\/]|$)|\\\\)/.test(path)) return 'WINDOWS';
  return path.startsWith('/') ? 'POSIX' : undefined;
}

/**
 * Where a directory of the submitter's machine stands in the job's file tree. On a node it is a path
 * mapping rule of OpenJD, whose destination is that place in the session's tree.
 */
export const sourceRuleSchema = z
  .strictObject({
    sourcePathFormat: z.enum(['POSIX', 'WINDOWS']),
    sourcePath: z
      .string()
      .min(1)
      .max(4096)
      .refine((path) => !hasControlCharacter(path), 'expected a path without control characters')
      .describe('Absolute: /show, Z:\\show, \\\\server\\share.'),
    location: treePathSchema.optional().describe("Absent: the job's file tree itself."),
  })
  .refine(({ sourcePathFormat, sourcePath }) => sourcePathFormat === pathFormat(sourcePath), {
    path: ['sourcePath'],
    message: 'expected an absolute path of its format',
  })
  .meta({ id: 'SourceRule' });
export type SourceRule = z.infer<typeof sourceRuleSchema>;

const sizeBytes = z.int().min(0);

/** One entry of a job's input manifest. */
export const inputFileSchema = z
  .strictObject({
    path: treePathSchema,
    sha256: sha256Schema,
    sizeBytes,
    executable: z.boolean().default(false),
  })
  .meta({ id: 'InputFile' });
export type InputFile = z.infer<typeof inputFileSchema>;

/** An output as an attempt reports it. */
export const outputFileSchema = z
  .strictObject({ path: treePathSchema, sha256: sha256Schema, sizeBytes })
  .meta({ id: 'OutputFile' });
export type OutputFile = z.infer<typeof outputFileSchema>;

export const singleUploadSchema = z.object({ kind: z.literal('single'), ...putLinkSchema.shape });

/**
 * How to send one object to storage. `single`: PUT the bytes to `url` with exactly `headers`.
 * `multipart`: PUT part i (of `partSizeBytes`, the last shorter) as `parts[i]` says, keep each answer's
 * ETag, then call the matching complete route.
 */
export const uploadSchema = z
  .discriminatedUnion('kind', [
    singleUploadSchema,
    z.object({
      kind: z.literal('multipart'),
      uploadId: z.string(),
      partSizeBytes: z.int().min(1),
      parts: z.array(putLinkSchema),
    }),
  ])
  .meta({ id: 'Upload' });
export type Upload = z.infer<typeof uploadSchema>;

/** Of each part, in order, for files above MULTIPART_THRESHOLD_BYTES; of the lease's `partChecksum`. */
const partSums = z.array(partSumSchema).max(UPLOAD_PARTS_MAX).optional();

export const attemptObjectKindSchema = z.enum(['output', 'log']);

/** An object that an attempt of task `task` (index in the step) wants to upload. */
const attemptObject = {
  task: z.int().min(0),
  kind: attemptObjectKindSchema,
  path: treePathSchema.describe("The output's tree path; for a log, any name."),
};
export const attemptUploadRequestSchema = z.strictObject({
  files: z
    .array(z.strictObject({ ...attemptObject, sha256: sha256Schema, sizeBytes, partSums }))
    .min(1)
    .max(1000),
});
export const attemptUploadResponseSchema = z.object({
  uploads: z.array(uploadSchema).describe("In the request's order."),
});
export const attemptUploadCompleteSchema = z.strictObject({
  ...attemptObject,
  uploadId: z.string().min(1).max(2000),
  etags: z.array(z.string().min(1).max(200)).min(1).max(UPLOAD_PARTS_MAX),
});

/** An input file with a presigned URL to GET it from. */
export const inputDownloadSchema = z.object({
  path: treePathSchema,
  sha256: sha256Schema,
  sizeBytes,
  executable: z.boolean(),
  url: z.url(),
});

/** An accepted output with a presigned URL to GET it from. */
export const outputDownloadSchema = z
  .object({
    step: z.string(),
    task: z.int().min(0),
    path: treePathSchema,
    sha256: sha256Schema,
    sizeBytes,
    url: z.url(),
  })
  .meta({ id: 'OutputDownload' });
export type OutputDownload = z.infer<typeof outputDownloadSchema>;
