import { z } from 'zod';

/** What JSON holds, and so what a template may hold. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** Stands in a place's patch where each case puts its own value. */
export const put = Symbol('put');

/** Values by their paths, such as `steps[0].script.actions.onRun.args`. */
export type Patch = Readonly<Record<string, unknown>>;

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `a.b[0]` as its keys: a, b, 0. */
const keysOf = (path: string): (string | number)[] =>
  path
    .split(/\.|(?=\[)/)
    .map((part) => (/^\[\d+\]$/.test(part) ? Number(part.slice(1, -1)) : part));

/** The template with each value of the patch set at its path, and what stands at `without` taken out. */
export function patched(
  base: Json,
  patch: Patch,
  without: readonly string[],
  value?: unknown,
): Json {
  const root = { template: structuredClone(base) };
  for (const [path, given] of Object.entries(patch)) {
    const { holder, key } = reach(root.template, path);
    Reflect.set(holder, key, withPut(given, value));
  }
  for (const path of without) {
    const { holder, key } = reach(root.template, path);
    if (!Reflect.has(holder, key)) throw new Error(`nothing to take out at ${path}`);
    Reflect.deleteProperty(holder, key);
  }
  return z.json().parse(root.template);
}

function reach(root: unknown, path: string): { holder: object; key: string | number } {
  const keys = keysOf(path);
  let holder: unknown = root;
  for (const key of keys.slice(0, -1)) {
    if (!isMap(holder) && !Array.isArray(holder)) break;
    const next: unknown = Reflect.get(holder, key);
    if (next === undefined) Reflect.set(holder, key, {});
    holder = Reflect.get(holder, key);
  }
  const key = keys.at(-1);
  if ((!isMap(holder) && !Array.isArray(holder)) || key === undefined) {
    throw new Error(`no map or list holds ${path}`);
  }
  return { holder, key };
}

function withPut(given: unknown, value: unknown): unknown {
  if (given === put) {
    if (value === undefined) throw new Error('a case without "put" in a file with places');
    return value;
  }
  if (Array.isArray(given)) return given.map((item) => withPut(item, value));
  if (!isMap(given)) return given;
  return Object.fromEntries(
    Object.entries(given).map(([key, item]) => [key, withPut(item, value)]),
  );
}
