import { z } from 'zod';

/** Storage holds each part to a sum of it: CRC-32 where storage knows it, else MD5, which takes longer. */
export const partChecksumSchema = z.enum(['crc32', 'md5']);
export type PartChecksum = z.infer<typeof partChecksumSchema>;

const BASE64_CHARACTERS: Record<PartChecksum, number> = { crc32: 8, md5: 24 };

/** One part's sum. */
export const partSumSchema = z
  .base64()
  .refine((text) => Object.values(BASE64_CHARACTERS).includes(text.length), {
    message: 'expected the Base64 of a CRC-32 (8 characters) or an MD5 (24)',
  })
  .describe("The part's CRC-32, big-endian, or MD5, as the upload has it: storage checks it.");

/** Which sum a text that partSumSchema takes is. */
export const partChecksumOf = (sum: string): PartChecksum =>
  sum.length === BASE64_CHARACTERS.crc32 ? 'crc32' : 'md5';

/** PUT the bytes to `url` with exactly `headers`, beside Content-Length. */
export const putLinkSchema = z.object({
  url: z.url(),
  headers: z.record(z.string(), z.string()),
});
export type PutLink = z.infer<typeof putLinkSchema>;
