interface Page<T> {
  items: T[];
  nextCursor?: string | undefined;
}

const PAGE_ITEMS_MAX = 1000;

/** The first `limit` items of a paginated list, and whether there are more. */
export async function collectPages<T>(
  limit: number,
  fetchPage: (query: { cursor: string | undefined; limit: number }) => Promise<Page<T>>,
): Promise<{ items: T[]; hasMore: boolean }> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const wanted = Math.min(PAGE_ITEMS_MAX, limit - items.length);
    // Nothing is wanted, but whether there is something must be told: one item answers that.
    const page = await fetchPage({ cursor, limit: Math.max(1, wanted) });
    if (wanted <= 0) return { items, hasMore: page.items.length > 0 };
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== undefined && items.length < limit);
  return { items, hasMore: cursor !== undefined };
}
