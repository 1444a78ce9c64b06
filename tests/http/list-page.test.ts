import { parseListPage } from '@karst/orchestrator/objects/list-page.ts';
import { expect, it } from 'vitest';

const answer = (...contents: string[]) =>
  `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>karst</Name><Prefix>a/</Prefix><IsTruncated>true</IsTruncated>${contents.join('')}</ListBucketResult>`;

it('reads keys and sizes, in whatever order a server writes them', () => {
  const page = parseListPage(
    answer(
      '<Contents><Key>a/1</Key><LastModified>2026-11-28T00:00:00Z</LastModified><Size>12</Size></Contents>',
      '<Contents><Size>0</Size><Owner><ID>x</ID></Owner><Key>a/ü ö</Key></Contents>',
    ),
  );
  const objects = [
    ['a/1', 12],
    ['a/ü ö', 0],
  ];
  expect(page).toEqual({ objects, isTruncated: true });
  const none = '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>';
  expect(parseListPage(none)).toEqual({ objects: [], isTruncated: false });
});

it.each([
  ['no list', '<Error><Code>AccessDenied</Code></Error>'],
  ['a list that does not tell whether it ends', '<ListBucketResult></ListBucketResult>'],
  [
    'a key with an escaped character',
    answer('<Contents><Key>a&amp;b</Key><Size>1</Size></Contents>'),
  ],
  [
    'an object without a size',
    answer('<Contents><Key>a</Key></Contents><Contents><Size>1</Size></Contents>'),
  ],
  ['a list that is cut off', answer('<Contents><Key>a</Key><Size>1</Size>').slice(0, -20)],
])('leaves %s to the SDK', (_, xml) => {
  expect(parseListPage(xml)).toBeUndefined();
});
