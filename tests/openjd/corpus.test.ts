import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { validateEnvironmentTemplate } from '@karst/shared/openjd/parse-environment.ts';
import { validateTemplate } from '@karst/shared/openjd/parse-template.ts';
import { printPath } from '@karst/shared/openjd/problem.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { z } from 'zod';
import { runCli } from '../cli/support/run-cli.ts';
import { type CorpusCase, type CorpusProblem, type Kind, readCorpus } from './corpus-cases.ts';

const corpus = readCorpus();
const cases = corpus.flatMap((rule) => rule.cases);

const errorSchema = z.strictObject({
  path: z.array(z.union([z.string(), z.int()])),
  line: z.int(),
  column: z.int(),
  message: z.string(),
});
const reportsSchema = z.array(
  z.strictObject({ file: z.string(), ok: z.boolean(), errors: z.array(errorSchema) }),
);

/** In one order: where several things are wrong, which is told first is no rule. */
const sorted = (problems: readonly CorpusProblem[]) =>
  problems.map(({ at, message }) => `${at}: ${message}`).toSorted();

const validate = (kind: Kind, template: unknown) =>
  kind === 'job' ? validateTemplate(template) : validateEnvironmentTemplate(template);

function found({ kind, template }: CorpusCase): string[] {
  const result = validate(kind, template);
  if (result.ok) return [];
  return sorted(result.error.map(({ path: at, message }) => ({ at: printPath(at), message })));
}

describe.each(corpus)('$id', ({ cases: ofRule }) => {
  const valid = ofRule.filter(({ problems }) => problems.length === 0);
  test.each(valid)('accepts $name', (each) => {
    expect(found(each)).toEqual([]);
    // What was read of it is plain JSON, and a template that reads the same.
    const read = validate(each.kind, each.template);
    expect(read.ok && validate(each.kind, JSON.parse(JSON.stringify(read.value)))).toEqual(read);
  });
  const refused = ofRule.filter(({ problems }) => problems.length > 0);
  test.each(refused)('refuses $name', (each) => {
    expect(found(each)).toEqual(sorted(each.problems));
  });
});

describe('the corpus itself', () => {
  test('has at least 600 cases, each of its own name in its rule', () => {
    expect(cases.length).toBeGreaterThanOrEqual(600);
    for (const { id, cases: ofRule } of corpus) {
      const names = ofRule.map(({ name }) => name);
      expect(
        names.filter((name, at) => names.indexOf(name) !== at).map((name) => [id, name]),
      ).toEqual([]);
    }
  });

  test('says no template twice', () => {
    const seen = new Map<string, string>();
    const twice = cases.flatMap(({ rule, name, template }) => {
      const text = JSON.stringify(template);
      const before = seen.get(text);
      seen.set(text, `${rule}: ${name}`);
      return before === undefined ? [] : [`${before} = ${rule}: ${name}`];
    });
    expect(twice).toEqual([]);
  });

  test('has a file per rule, named by its section, with one sentence and cases of both kinds', () => {
    for (const { id, sentence, cases: ofRule } of corpus) {
      expect(id).toMatch(/^\d+(\.\d+)*-[a-z0-9]+(-[a-z0-9]+)*$/);
      expect(sentence).toMatch(/^\S.*[^.]\.$/);
      const kinds = new Set(ofRule.map(({ problems }) => problems.length === 0));
      expect([id, ...kinds]).toEqual([id, true, false]);
    }
  });
});

describe('karst check', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'karst-corpus-'));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  /** Every case as a file, as `karst check` of all of them answers. */
  async function checked(ending: 'yaml' | 'json') {
    const files = cases.map((each, index) => ({
      each,
      file: path.join(each.rule, `${index}.${ending}`),
      text: ending === 'yaml' ? stringify(each.template) : JSON.stringify(each.template, null, 2),
    }));
    for (const { id } of corpus) await mkdir(path.join(dir, id), { recursive: true });
    await Promise.all(files.map(({ file, text }) => writeFile(path.join(dir, file), text)));
    const args = ['check', '-o', 'json', ...files.map(({ file }) => file)];
    const { code, stdout } = await runCli(args, { cwd: dir });
    const reports = reportsSchema.parse(JSON.parse(stdout));
    expect(reports.map(({ file }) => file)).toEqual(files.map(({ file }) => file));
    return { code, rows: files.map((file, index) => ({ ...file, report: reports[index] })) };
  }

  test.each(['yaml', 'json'] as const)('says the same of every case as %s', async (ending) => {
    const { code, rows } = await checked(ending);
    expect(code).toBe(1);
    const wrong = rows.flatMap(({ each, text, report }) => {
      const errors = report?.errors ?? [];
      const told = sorted(errors.map(({ path: at, message }) => ({ at: printPath(at), message })));
      const lines = text.split('\n');
      const outside = errors.filter(
        ({ line, column }) =>
          line < 1 ||
          column < 1 ||
          column > (lines[line - 1] ?? '').length + 1 ||
          line > lines.length,
      );
      const wanted = sorted(each.problems);
      const same = report?.ok === (wanted.length === 0) && told.join('\n') === wanted.join('\n');
      return same && outside.length === 0
        ? []
        : [{ rule: each.rule, name: each.name, told, outside, wanted }];
    });
    expect(wrong).toEqual([]);
  });
});
