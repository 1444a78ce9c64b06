import { requirePartSums } from '@karst/orchestrator/http/upload-request.ts';
import { MULTIPART_THRESHOLD_BYTES } from '@karst/shared/protocol/files.ts';
import { expect, it } from 'vitest';

const crc32 = 'AAAAAA==';
const md5 = '1B2M2Y8AsgTpgAmY7PhCfg==';
/** Travels in two parts. */
const sizeBytes = MULTIPART_THRESHOLD_BYTES + 1;

it.each([
  ['crc32', [crc32, crc32]],
  ['crc32', [md5, md5]],
  ['md5', [md5, md5]],
] as const)('takes the sums of parts where storage checks %s', (checksum, partSums) => {
  expect(() => requirePartSums([{ sizeBytes, partSums }], checksum)).not.toThrow();
});

it.each([
  ['crc32', undefined, 'found none, expected 2 of crc32'],
  ['crc32', [crc32], 'found 1 of crc32, expected 2 of crc32'],
  ['crc32', [crc32, crc32, crc32], 'found 3 of crc32, expected 2'],
  ['crc32', [crc32, md5], 'found 2 of crc32 and md5, expected 2 of crc32'],
  ['crc32', [crc32, crc32, md5], 'found 3 of crc32 and md5, expected 2'],
  ['md5', [crc32, crc32], 'found 2 of crc32, expected 2 of md5'],
] as const)('where storage checks %s refuses %j by field', (checksum, partSums, message) => {
  const small = { sizeBytes: 5 };
  expect(() => requirePartSums([small, { sizeBytes, partSums }], checksum)).toThrow(
    `body.files.1.partSums: ${message}`,
  );
});
