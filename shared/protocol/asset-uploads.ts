import { z } from 'zod';
import { sha256Schema, singleUploadSchema, UPLOAD_PARTS_MAX } from './files.ts';
import { partChecksumSchema, partSumSchema, putLinkSchema } from './part-checksums.ts';

/**
 * How input files reach storage. A client names contents by their hashes and learns which of them its
 * studio lacks. Files up to MULTIPART_THRESHOLD_BYTES come with a link to PUT them; larger ones travel
 * in parts: begin an upload (or go on with one), ask for links part by part, complete it.
 */

const content = { sha256: sha256Schema, sizeBytes: z.int().min(0) };
const uploadId = z.string().min(1).max(2000);
const etag = z.string().min(1).max(200);
const partNumber = z.int().min(1).max(UPLOAD_PARTS_MAX);
const partSize = z
  .int()
  .min(1)
  .describe('The size of every part but the last, which holds the rest.');

export const assetUploadRequestSchema = z.strictObject({
  files: z.array(z.strictObject(content)).min(1).max(1000),
});

export const assetUploadSchema = z
  .discriminatedUnion('kind', [
    singleUploadSchema,
    z.object({ kind: z.literal('parts'), partSizeBytes: partSize }),
  ])
  .meta({ id: 'AssetUpload' });
export type AssetUpload = z.infer<typeof assetUploadSchema>;

export const assetUploadResponseSchema = z.object({
  uploads: z
    .array(
      z.object({
        sha256: sha256Schema,
        upload: assetUploadSchema.nullable().describe('null: the studio has this content already.'),
      }),
    )
    .describe("In the request's order."),
});

export const assetMultipartRequestSchema = z.strictObject({
  ...content,
  uploadId: uploadId.optional().describe('An upload of this content that was begun before.'),
});
export const assetMultipartSchema = z.object({
  uploadId: uploadId.describe('The upload asked for, or a new one where that is gone.'),
  partChecksum: partChecksumSchema.describe('What each part of this upload has to be told by.'),
  partSizeBytes: partSize,
  uploaded: z
    .array(z.object({ number: partNumber, sizeBytes: z.int().min(0), etag }))
    .describe('Parts that storage has of it.'),
});
export type AssetMultipart = z.infer<typeof assetMultipartSchema>;

export const assetPartsRequestSchema = z.strictObject({
  ...content,
  uploadId,
  parts: z
    .array(
      z.strictObject({
        number: partNumber.describe('From 1.'),
        checksum: partSumSchema,
      }),
    )
    .min(1)
    .max(100),
});
export const assetPartsSchema = z.object({
  links: z
    .array(putLinkSchema)
    .describe("In the request's order. PUT the part with exactly these headers, keep the ETag."),
});

export const assetUploadCompleteSchema = z.strictObject({
  sha256: sha256Schema,
  uploadId,
  etags: z.array(etag).min(1).max(UPLOAD_PARTS_MAX),
});
