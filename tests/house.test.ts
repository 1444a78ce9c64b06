import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseHeader } from '@karst/orchestrator/store/script.ts';
import { routes } from '@karst/shared/protocol/routes.ts';
import { describe, expect, it } from 'vitest';

/** The rules of the house, as tests: a rule nobody checks is a wish. */

const root = fileURLToPath(new URL('..', import.meta.url));
const houses = ['shared', 'orchestrator', 'worker-agent', 'cli'] as const;
const packages: Record<string, string> = {
  '@karst/shared': 'shared',
  '@karst/orchestrator': 'orchestrator',
  '@karst/agent': 'worker-agent',
  '@karst/cli': 'cli',
};

interface SourceFile {
  path: string;
  text: string;
  lines: number;
}

function walk(dir: string, endings: readonly string[]): SourceFile[] {
  return readdirSync(join(root, dir), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .filter((entry) => !entry.parentPath.includes('node_modules'))
    .map((entry) => {
      const path = relative(root, join(entry.parentPath, entry.name));
      const text = readFileSync(join(root, path), 'utf8');
      return { path, text, lines: text.split('\n').length - 1 };
    });
}

const sources = houses.flatMap((house) => walk(house, ['.ts']));
const tests = walk('tests', ['.ts']);
const scripts = walk('scripts', ['.ts', '.mjs']);
const lua = walk('orchestrator', ['.lua']);

/** Code without comments and without what stands in quotes. */
const bare = (text: string) =>
  text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(^|[^:])\/\/.*$/gm, '$1')
    .replace(/'(?:[^'\\\n]|\\.)*'/g, "''");

const imports = ({ text }: SourceFile): string[] =>
  [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '');

/** The workspace a file's import leads to, if any. */
function houseOf(file: SourceFile, specifier: string): string | undefined {
  const name = specifier.split('/').slice(0, 2).join('/');
  if (packages[name] !== undefined) return packages[name];
  if (!specifier.startsWith('.')) return undefined;
  return relative(root, resolve(root, dirname(file.path), specifier)).split('/')[0];
}

const found = (files: readonly SourceFile[], pattern: RegExp, homes: readonly string[]) =>
  files
    .filter(({ path }) => !homes.includes(path))
    .filter(({ text }) => pattern.test(bare(text)))
    .map(({ path }) => path);

describe('imports point down only', () => {
  it.each(houses)('%s imports shared and itself, nothing above', (house) => {
    const wrong = sources
      .filter(({ path }) => path.startsWith(`${house}/`))
      .flatMap((file) =>
        imports(file)
          .map((specifier) => houseOf(file, specifier))
          .filter((to) => to !== undefined && to !== 'shared' && to !== house)
          .map((to) => `${file.path} -> ${to}`),
      );
    expect(wrong).toEqual([]);
  });

  it.each([
    'orchestrator/domain',
    'orchestrator/scheduler',
    'orchestrator/simulator',
    'shared/openjd',
    'shared/protocol',
    'shared/simulation',
  ])('%s is pure: no I/O, no package that does any', (room) => {
    const wrong = sources
      .filter(({ path }) => path.startsWith(`${room}/`))
      .flatMap((file) => imports(file).map((specifier) => `${file.path} -> ${specifier}`))
      .filter((line) => /-> (node:|ioredis|bullmq|express|pino|@aws-sdk)/.test(line));
    expect(wrong).toEqual([]);
  });

  it.each([
    ['bullmq', 'orchestrator/queue/'],
    ['@aws-sdk/', 'orchestrator/objects/'],
    ['prom-client', 'orchestrator/metrics/'],
  ])('%s is imported in %s only', (name, home) => {
    const wrong = sources
      .filter(({ path }) => !path.startsWith(home))
      .filter((file) => imports(file).some((specifier) => specifier.startsWith(name)));
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });
});

describe('clocks, randomness and the environment have one home each', () => {
  it('time is read through shared/clock.ts', () => {
    const pattern = /Date\.now\(|new Date\(\)|performance\.now\(|hrtime|setTimeout\(|setInterval\(/;
    expect(found(sources, pattern, ['shared/clock.ts'])).toEqual([]);
  });

  it('randomness comes from shared/random.ts', () => {
    const pattern = /Math\.random\(|randomUUID\(|randomBytes\(|getRandomValues\(/;
    expect(found(sources, pattern, ['shared/random.ts'])).toEqual([]);
  });

  it('the environment is read by the entry points only', () => {
    const homes = sources.filter(({ path }) => path.endsWith('main.ts')).map(({ path }) => path);
    expect(found(sources, /process\.env/, homes)).toEqual([]);
  });
});

describe('rooms are small', () => {
  it('no file has more than 400 lines', () => {
    const long = [...sources, ...tests, ...scripts, ...lua].filter(({ lines }) => lines > 400);
    expect(long.map(({ path, lines }) => `${path}: ${lines}`)).toEqual([]);
  });

  it('the median file has at most 150 lines', () => {
    const sizes = sources.map(({ lines }) => lines).sort((a, b) => a - b);
    expect(sizes[Math.floor(sizes.length / 2)]).toBeLessThanOrEqual(150);
  });

  it('no drawer is called utils, helpers or common', () => {
    const drawers = [...sources, ...tests].filter(({ path }) =>
      /(^|\/)(utils?|helpers?|common|misc)(\/|\.ts$)/.test(path),
    );
    expect(drawers.map(({ path }) => path)).toEqual([]);
  });

  it('files are named in kebab-case, Lua in snake_case', () => {
    const name = (path: string) => path.split('/').at(-1) ?? '';
    const odd = sources.filter(({ path }) => !/^[a-z0-9]+(-[a-z0-9]+)*\.ts$/.test(name(path)));
    const oddLua = lua.filter(({ path }) => !/^[a-z0-9]+(_[a-z0-9]+)*\.lua$/.test(name(path)));
    expect([...odd, ...oddLua].map(({ path }) => path)).toEqual([]);
  });
});

describe('types are strict', () => {
  const escapes = new RegExp(
    ['\\bas any\\b', ': any\\b', '<any>', 'as unknown as', '@ts-(ignore|expect-error|nocheck)']
      .concat(['biome-ignore', 'eslint-disable'])
      .join('|'),
  );

  it('nothing turns the checks off', () => {
    const house = 'tests/house.test.ts';
    const wrong = [...sources, ...tests, ...scripts]
      .filter(({ path }) => path !== house)
      .filter(({ text }) => escapes.test(text.replace(/\/\*[\s\S]*?\*\//g, '')));
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  it('no test is skipped, singled out or left to do', () => {
    const wrong = tests.filter(({ text }) =>
      /\b(it|test|describe)\.(skip|only|todo)\b/.test(bare(text)),
    );
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });
});

describe('Lua scripts', () => {
  const transitions = lua.filter(({ path }) => !path.includes('/include/'));

  it.each(transitions.map(({ path, text }) => [path, text]))(
    '%s has a whole header',
    (path, text) => {
      expect(() => parseHeader(path, text)).not.toThrow();
      expect(text.startsWith('-- ')).toBe(true);
      const header = text
        .split('\n')
        .filter((line) => line.startsWith('--'))
        .join('\n');
      expect(header).toMatch(/Returns /);
      expect(header).toMatch(/Cost O\(/);
    },
  );
});

describe('routes', () => {
  it('say who may call them and what for', () => {
    for (const row of Object.values(routes)) {
      expect(row.summary).not.toBe('');
      if (row.path.startsWith('/v1/')) expect(row.access.kind).not.toBe('public');
    }
  });

  it('have one path and method each', () => {
    const names = Object.values(routes).map((row) => `${row.method} ${row.path}`);
    expect(new Set(names).size).toBe(names.length);
  });
});
