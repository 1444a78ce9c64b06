import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CollectionTag } from 'yaml';
import { parse, type ScalarTag, type YAMLSeq } from 'yaml';
import { z } from 'zod';
import { type Json, patched, put } from './corpus-patch.ts';

/** The corpus: one file per rule of OpenJD 2023-09 in corpus/. corpus/README.md tells the format. */

const corpusDir = join(import.meta.dirname, 'corpus');

const patchSchema = z.record(z.string(), z.unknown());
const changeFields = {
  set: patchSchema.default({}),
  without: z.array(z.string()).default([]),
};
const problemSchema = z.strictObject({ at: z.string(), message: z.string().min(1) });
const caseFields = {
  name: z.string().min(1),
  ...changeFields,
  /** What stands at `!put` in each place of the file. */
  put: z.unknown().optional(),
  /** The whole of a template, where a patch would not do. */
  template: z.json().optional(),
};
const acceptSchema = z.strictObject(caseFields);
const rejectSchema = z.strictObject({
  ...caseFields,
  at: z.string().optional(),
  message: z.string().min(1).optional(),
  problems: z.array(problemSchema).min(2).optional(),
});
const placeSchema = z.strictObject({
  name: z.string().min(1),
  base: z.enum(['job', 'environment']).optional(),
  at: z.string(),
  ...changeFields,
});
const fileSchema = z.strictObject({
  rule: z.string().min(20),
  base: z.enum(['job', 'environment']).default('job'),
  given: patchSchema.default({}),
  places: z.array(placeSchema).min(1).optional(),
  accept: z.array(acceptSchema).default([]),
  reject: z.array(rejectSchema).default([]),
});

export type Kind = 'job' | 'environment';
export interface CorpusProblem {
  /** As printPath prints it; '(root)' for the document itself. */
  readonly at: string;
  readonly message: string;
}
export interface CorpusCase {
  /** `1.1.1-job-name`: the file without its ending. */
  readonly rule: string;
  readonly name: string;
  readonly kind: Kind;
  readonly template: Json;
  /** Empty for a template that is valid. */
  readonly problems: readonly CorpusProblem[];
}
export interface CorpusRule {
  readonly id: string;
  readonly sentence: string;
  readonly cases: readonly CorpusCase[];
}

type Case = z.infer<typeof rejectSchema>;
type Place = z.infer<typeof placeSchema>;

const itemsOf = (seq: unknown): unknown[] => z.array(z.unknown()).parse(seq);

/** A tag whose list of arguments makes one value. */
const listTag = (tag: string, value: (items: unknown[]) => unknown): CollectionTag => ({
  tag,
  collection: 'seq',
  resolve: (seq: YAMLSeq) => value(itemsOf(seq.toJSON())),
});
const countAnd = <T extends z.ZodType>(rest: T) => z.tuple([z.int().positive(), rest]);

const tags: (CollectionTag | ScalarTag)[] = [
  // !times [129, x]: the text x, 129 times.
  listTag('!times', (items) => {
    const [count, text] = countAnd(z.string()).parse(items);
    return text.repeat(count);
  }),
  // !join [a, !times [9, b]]: one text of several.
  listTag('!join', (items) => z.array(z.string()).parse(items).join('')),
  // !each [51, {name: "P#", type: INT}]: a list of 51, # being 0, 1, 2 …; "#" alone is the integer.
  listTag('!each', (items) => {
    const [count, item] = countAnd(z.json()).parse(items);
    return Array.from({ length: count }, (_, index) => numbered(item, index));
  }),
  { tag: '!put', resolve: () => put },
];

function numbered(item: Json, index: number): Json {
  if (item === '#') return index;
  if (typeof item === 'string') return item.replaceAll('#', String(index));
  if (Array.isArray(item)) return item.map((each) => numbered(each, index));
  if (typeof item !== 'object' || item === null) return item;
  return Object.fromEntries(
    Object.entries(item).map(([key, each]) => [key, numbered(each, index)]),
  );
}

function read(name: string): unknown {
  const text = readFileSync(join(corpusDir, name), 'utf8');
  try {
    return parse(text, { customTags: tags });
  } catch (error) {
    throw new Error(`${name}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

const bases: Record<Kind, Json> = {
  job: z.json().parse(read('base/job.yaml')),
  environment: z.json().parse(read('base/environment.yaml')),
};

/** Every rule of the corpus, in the order of their numbers. */
export function readCorpus(): CorpusRule[] {
  return readdirSync(corpusDir)
    .filter((name) => name.endsWith('.yaml'))
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .map((name) => readRule(name));
}

function readRule(name: string): CorpusRule {
  const id = name.replace(/\.yaml$/, '');
  const parsed = fileSchema.safeParse(read(name));
  if (!parsed.success) throw new Error(`${name}: ${z.prettifyError(parsed.error)}`);
  const file = parsed.data;
  const places: (Place | undefined)[] = file.places ?? [undefined];
  const cases = places.flatMap((place) => {
    const kind = place?.base ?? file.base;
    const made = (each: Case, problems: CorpusProblem[]): CorpusCase => {
      const title = place === undefined ? each.name : `${each.name}, ${place.name}`;
      const set = { ...file.given, ...place?.set, ...each.set };
      const without = [...(place?.without ?? []), ...each.without];
      try {
        const whole = each.template;
        const template = whole === undefined ? patched(bases[kind], set, without, each.put) : whole;
        return { rule: id, name: title, kind, template, problems };
      } catch (error) {
        throw new Error(`${name}: ${title}`, { cause: error });
      }
    };
    return [
      ...file.accept.map((each) => made(each, [])),
      ...file.reject.map((each) => made(each, problemsOf(each, place))),
    ];
  });
  return { id, sentence: file.rule, cases };
}

/** What a case expects, its paths below its place. */
function problemsOf({ name, at, message, problems }: Case, place?: Place): CorpusProblem[] {
  const list = problems ?? (message === undefined ? [] : [{ at: at ?? '', message }]);
  if (list.length === 0 || (problems !== undefined && message !== undefined)) {
    throw new Error(`"${name}" needs either at and message, or problems`);
  }
  return list.map((problem) => ({ ...problem, at: `${place?.at ?? ''}${problem.at}` }));
}
