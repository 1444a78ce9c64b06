import { bytesOfPart, partCount } from '@karst/orchestrator/objects/uploads.ts';
import { MULTIPART_THRESHOLD_BYTES, UPLOAD_PARTS_MAX } from '@karst/shared/protocol/files.ts';
import fc from 'fast-check';
import { expect, it } from 'vitest';

/** S3's own bounds. */
const PART_BYTES_MIN = 5 * 1024 ** 2;
const PART_BYTES_MAX = 5 * 1024 ** 3;
const OBJECT_BYTES_MAX = 5 * 1024 ** 4;

it.each([
  ['nothing', 0, 1],
  ['what travels in one PUT at most', MULTIPART_THRESHOLD_BYTES, 1],
  ['a byte more', MULTIPART_THRESHOLD_BYTES + 1, 2],
  ['5 GB', 5e9, 75],
  ['100 GB', 100e9, 1491],
  ['the most in parts of 64 MiB', UPLOAD_PARTS_MAX * MULTIPART_THRESHOLD_BYTES, UPLOAD_PARTS_MAX],
  ['S3’s largest object', OBJECT_BYTES_MAX, 9987],
])('%s travels in so many parts', (_, sizeBytes, parts) => {
  expect(partCount(sizeBytes)).toBe(parts);
});

it('parts cover a file of any size without a gap, within what S3 takes', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (seed) => {
      const sizeBytes = MULTIPART_THRESHOLD_BYTES + 1 + (seed % (OBJECT_BYTES_MAX / 2));
      const parts = partCount(sizeBytes);
      expect(parts).toBeLessThanOrEqual(UPLOAD_PARTS_MAX);
      const [first, last] = [bytesOfPart(sizeBytes, 1), bytesOfPart(sizeBytes, parts)];
      expect(first).toBeGreaterThanOrEqual(PART_BYTES_MIN);
      expect(first).toBeLessThanOrEqual(PART_BYTES_MAX);
      expect(last).toBeGreaterThan(0);
      expect(last).toBeLessThanOrEqual(first);
      expect((parts - 1) * first + last).toBe(sizeBytes);
    }),
  );
});
