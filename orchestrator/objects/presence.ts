import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { Bucket } from './bucket.ts';
import { attempt } from './errors.ts';
import { parseListPage } from './list-page.ts';
import type { ReadOperations } from './reading.ts';

export interface PresenceOperations {
  /**
   * The sizes, in bytes, of those of `names` that are objects below `prefix`. Names are ASCII and
   * spread evenly, as hashes are. Costs few calls where many of what is there is asked for, else one
   * call a name.
   */
  sizesBelow(prefix: string, names: Iterable<string>): Promise<Map<string, number>>;
}

/** Fewer names than this are asked for one by one. */
const NAMES_TO_LIST_MIN = 24;
/** A page of a list costs storage and us about as much as this many HEADs. */
const HEADS_A_PAGE = 12;
const HEADS_AT_ONCE = 32;
const LISTS_AT_ONCE = 8;

interface Search {
  list: (prefix: string, after: string) => Promise<{ names: [string, number][]; whole: boolean }>;
  head: ReadOperations['head'];
  prefix: string;
  found: Map<string, number>;
}

export function presenceOperations(
  { client, name, direct }: Bucket,
  { head }: Pick<ReadOperations, 'head'>,
): PresenceOperations {
  const list: Search['list'] = async (prefix, after) => {
    const query = { 'list-type': '2', prefix, 'start-after': prefix + after };
    const plain = await direct?.({ method: 'GET', key: '', query });
    const page = plain && parseListPage(plain.body);
    if (page !== undefined) {
      const names = page.objects.map(([key, sizeBytes]): [string, number] => [
        key.slice(prefix.length),
        sizeBytes,
      ]);
      return { names, whole: !page.isTruncated };
    }
    const answer = await attempt('list', () =>
      client.send(
        new ListObjectsV2Command({ Bucket: name, Prefix: prefix, StartAfter: prefix + after }),
      ),
    );
    const names = (answer?.Contents ?? []).map(({ Key = '', Size = 0 }): [string, number] => [
      Key.slice(prefix.length),
      Size,
    ]);
    return { names, whole: answer?.IsTruncated !== true };
  };
  return {
    async sizesBelow(prefix, names) {
      const search: Search = { list, head, prefix, found: new Map() };
      await find(search, [...new Set(names)].sort());
      return search.found;
    },
  };
}

/** The first page tells how close together what is asked for lies among all that is there. */
async function find(search: Search, sorted: readonly string[]): Promise<void> {
  if (sorted.length < NAMES_TO_LIST_MIN) return await headAll(search, sorted);
  const covered = await listFrom(search, sorted);
  const rest = sorted.slice(covered);
  if (covered < HEADS_A_PAGE) return await headAll(search, rest);
  const lanes = Math.min(LISTS_AT_ONCE, Math.ceil(rest.length / covered));
  const share = Math.ceil(rest.length / Math.max(1, lanes));
  await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      let own = rest.slice(lane * share, (lane + 1) * share);
      while (own.length > 0) own = own.slice(await listFrom(search, own));
    }),
  );
}

/** One page from the first name on; answers how many names it settles, one at least. */
async function listFrom(search: Search, sorted: readonly string[]): Promise<number> {
  const [first = ''] = sorted;
  // A name without its last character comes right before it, but for its near neighbours.
  const page = await search.list(search.prefix, first.slice(0, -1));
  const last = page.names.at(-1)?.[0] ?? '';
  const there = new Map(page.names);
  let covered = 0;
  for (const name of sorted) {
    if (!page.whole && name > last) break;
    const sizeBytes = there.get(name);
    if (sizeBytes !== undefined) search.found.set(name, sizeBytes);
    covered++;
  }
  if (covered > 0) return covered;
  await headAll(search, [first]);
  return 1;
}

async function headAll(search: Search, names: readonly string[]): Promise<void> {
  const queue = names.values();
  const lane = async () => {
    for (const name of queue) {
      const object = await search.head(search.prefix + name);
      if (object !== undefined) search.found.set(name, object.sizeBytes);
    }
  };
  await Promise.all(Array.from({ length: Math.min(HEADS_AT_ONCE, names.length) }, lane));
}
