/** A page of a list of objects. */
export interface ListPage {
  /** Keys and sizes, bytes. */
  objects: [key: string, sizeBytes: number][];
  isTruncated: boolean;
}

/**
 * Reads keys and sizes out of a ListObjectsV2 answer without building the tree of it, which takes ten
 * times the memory. Undefined for what is no plain answer, or has a key with an escaped character: the
 * SDK has to read that.
 */
export function parseListPage(xml: string): ListPage | undefined {
  if (!xml.includes('<ListBucketResult')) return undefined;
  const truncated = between(xml, 'IsTruncated', 0, xml.length);
  if (truncated !== 'true' && truncated !== 'false') return undefined;
  const objects: ListPage['objects'] = [];
  for (let at = xml.indexOf('<Contents>'); at !== -1; ) {
    const end = xml.indexOf('</Contents>', at);
    if (end === -1) return undefined;
    const key = between(xml, 'Key', at, end);
    const size = between(xml, 'Size', at, end);
    if (key === undefined || key.includes('&') || !/^\d+$/.test(size ?? '')) return undefined;
    objects.push([key, Number(size)]);
    at = xml.indexOf('<Contents>', end);
  }
  return { objects, isTruncated: truncated === 'true' };
}

/** The text of the first such element from `start` on, before `end`. */
function between(xml: string, element: string, start: number, end: number): string | undefined {
  const open = `<${element}>`;
  const from = xml.indexOf(open, start);
  if (from === -1 || from >= end) return undefined;
  return xml.slice(from + open.length, xml.indexOf('<', from + open.length));
}
