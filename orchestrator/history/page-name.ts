/** Tasks of a page: a multiple of 8, so that a page's bits are whole bytes. */
export const PAGE_TASKS = 1000;

export const pageOf = (task: number): number => Math.floor(task / PAGE_TASKS);

/**
 * `<page>.<version>.<chance>`: an object is written once and never changed. Which one counts stands in
 * Redis; after that was lost, the highest version does.
 */
const NAME = /^(\d+)\.(\d+)\.[0-9a-f]+$/;

export interface PageName {
  page: number;
  version: number;
}

export function parsePageName(name: string): PageName | undefined {
  const [, page, version] = NAME.exec(name) ?? [];
  return page === undefined ? undefined : { page: Number(page), version: Number(version) };
}

/** The name of the object that follows `former`; `uuid` keeps two that follow the same one apart. */
export function nextPageName(page: number, former: string | undefined, uuid: string): string {
  const version = former === undefined ? 0 : (parsePageName(former)?.version ?? 0);
  return `${page}.${version + 1}.${uuid.replaceAll('-', '').slice(0, 12)}`;
}

/** What Redis says of a page: its object's name, and whether it holds outputs. */
export interface PageEntry {
  name: string;
  hasOutputs: boolean;
}

export const packEntry = ({ name, hasOutputs }: PageEntry): string =>
  hasOutputs ? `${name} o` : name;

export function unpackEntry(text: string): PageEntry {
  const hasOutputs = text.endsWith(' o');
  return { name: hasOutputs ? text.slice(0, -2) : text, hasOutputs };
}
