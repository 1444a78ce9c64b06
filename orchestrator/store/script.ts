import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Redis } from './connection.ts';

/**
 * A Lua script: one atomic transition. Its header names its keys and arguments,
 *
 *     -- KEYS job_key step_key
 *     -- ARGV now_ms lease_id results*
 *
 * which become Lua locals of these names (a last `name*` gathers the rest into a table), and calls are
 * checked against them: a missing or surplus key or argument throws before anything is sent.
 */
export interface Script {
  readonly name: string;
  run(
    redis: Redis,
    keys: Readonly<Record<string, string>>,
    args: Readonly<Record<string, string | number>>,
    rest?: readonly (string | number)[],
  ): Promise<unknown>;
}

interface Header {
  keys: string[];
  args: string[];
  rest: string | undefined;
}

const LUA_NAME = /^[a-z][a-z0-9_]*$/;

export function parseHeader(name: string, source: string): Header {
  const words = (tag: string): string[] => {
    const line = new RegExp(`^-- ${tag}(.*)$`, 'm').exec(source);
    if (line === null) throw new Error(`${name}.lua: its header has no "-- ${tag}" line`);
    return (line[1] ?? '').trim().split(/\s+/).filter(Boolean);
  };
  const keys = words('KEYS');
  const args = words('ARGV');
  const last = args.at(-1);
  const rest = last?.endsWith('*') ? last.slice(0, -1) : undefined;
  if (rest !== undefined) args.pop();
  for (const word of [...keys, ...args, ...(rest === undefined ? [] : [rest])]) {
    if (!LUA_NAME.test(word)) throw new Error(`${name}.lua: "${word}" is not a snake_case name`);
  }
  return { keys, args, rest };
}

/** Lua lines that bind the header's names, on one line so that error line numbers shift by one only. */
function bindings({ keys, args, rest }: Header): string {
  const parts = [
    ...keys.map((key, i) => `local ${key}=KEYS[${i + 1}]`),
    ...args.map((arg, i) => `local ${arg}=ARGV[${i + 1}]`),
  ];
  if (rest !== undefined) {
    parts.push(
      `local ${rest}={} for i=${args.length + 1},#ARGV do ${rest}[#${rest}+1]=ARGV[i] end`,
    );
  }
  return parts.join(' ');
}

function ordered<V>(
  script: string,
  kind: string,
  names: readonly string[],
  values: Readonly<Record<string, V>>,
): V[] {
  const given = Object.keys(values).length;
  if (given !== names.length) {
    throw new Error(`${script}.lua takes ${names.length} ${kind}, was given ${given}`);
  }
  return names.map((name) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${script}.lua: ${kind} "${name}" is missing`);
    return value;
  });
}

const noScript = (error: unknown) => error instanceof Error && error.message.startsWith('NOSCRIPT');

/**
 * Loads `lua/<name>.lua`. Included parts (`-- INCLUDE part`) come from `lua/include/<part>.lua`.
 */
export function loadScript(name: string): Script {
  const read = (file: string) => readFileSync(new URL(`lua/${file}.lua`, import.meta.url), 'utf8');
  const source = read(name);
  const header = parseHeader(name, source);
  const includes = [...source.matchAll(/^-- INCLUDE (\S+)$/gm)].map((m) => read(`include/${m[1]}`));
  const lua = [bindings(header), ...includes, source].join('\n');
  const sha = createHash('sha1').update(lua).digest('hex');
  return {
    name,
    async run(redis, keys, args, rest = []) {
      if (rest.length > 0 && header.rest === undefined) {
        throw new Error(`${name}.lua takes no further arguments`);
      }
      const words = [
        ...ordered(name, 'keys', header.keys, keys),
        ...ordered(name, 'arguments', header.args, args),
        ...rest,
      ];
      try {
        return await redis.evalsha(sha, header.keys.length, ...words);
      } catch (error) {
        if (!noScript(error)) throw error;
        return await redis.eval(lua, header.keys.length, ...words);
      }
    },
  };
}
