import { Index } from '@karst/orchestrator/local-s3/index-db.ts';
import { type Cursor, listObjects } from '@karst/orchestrator/local-s3/listing.ts';
import { noCondition, storeObject } from '@karst/orchestrator/local-s3/objects.ts';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { temporaryDir } from './endpoint.ts';

/** What a listing must give, by going through every key: the oracle. */
function listAll(keys: string[], prefix: string, delimiter: string): string[] {
  const items = new Set<string>();
  const ordered = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const key of ordered) {
    if (!key.startsWith(prefix)) continue;
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    items.add(cut < 0 ? key : `${key.slice(0, cut + delimiter.length)}*`);
  }
  return [...items];
}

it('lists what going through every key would give, whatever the keys, prefix and page size', async () => {
  const { dir, remove } = await temporaryDir();
  const index = new Index(dir);
  const letters = ['a', 'b', '/', '!', '0', 'é', '\u{fffd}', '\u{1f3ac}'];
  const word = (minLength: number) =>
    fc.array(fc.constantFrom(...letters), { minLength, maxLength: 6 }).map((all) => all.join(''));
  const buckets = fc.uniqueArray(word(1), { maxLength: 40 });
  const delimiters = fc.constantFrom('', '/', 'a', 'é/', '\u{1f3ac}');
  let round = 0;
  try {
    await fc.assert(
      fc.asyncProperty(
        buckets,
        fc.oneof(word(0), fc.constantFrom(...letters, '')),
        delimiters,
        fc.integer({ min: 1, max: 9 }),
        async (keys, prefix, delimiter, itemsMax) => {
          round += 1;
          const bucket = `bucket-${round}`;
          await index.commit(() => {
            index.run('INSERT INTO bucket VALUES (?, 0)', bucket);
            for (const key of keys) {
              const fields = { sizeBytes: 0, modifiedMs: 0, upload: undefined, headers: {} };
              const object = { ...fields, etag: 'e', checksums: {}, pieces: [] };
              storeObject(index, bucket, key, object, noCondition);
            }
          });
          const found: string[] = [];
          let after: Cursor | undefined;
          do {
            const page = listObjects(index, { bucket, prefix, delimiter, after, itemsMax });
            const objects = page.objects.map((one) => one.key);
            const prefixes = page.commonPrefixes.map((one) => `${one}*`);
            expect(objects.length + prefixes.length).toBeLessThanOrEqual(itemsMax);
            found.push(...objects, ...prefixes);
            after = page.next;
          } while (after);
          const wanted = listAll(keys, prefix, delimiter);
          expect(found).toHaveLength(wanted.length);
          expect(new Set(found)).toEqual(new Set(wanted));
          expect(found.filter((one) => !one.endsWith('*'))).toEqual(
            wanted.filter((one) => !one.endsWith('*')),
          );
        },
      ),
      { numRuns: 300 },
    );
  } finally {
    index.close();
    await remove();
  }
});
