import { type SourceDirectory, sourceRules } from '@karst/cli/scan/source-rules.ts';
import { mapPath } from '@karst/shared/openjd/map-path.ts';
import { sourceRuleSchema } from '@karst/shared/protocol/files.ts';
import fc from 'fast-check';
import { expect, it } from 'vitest';

const told = (...directories: [source: string, place: string][]) =>
  sourceRules(directories.map(([source, place]) => ({ source, place }))).map(
    ({ sourcePathFormat, sourcePath, location }) => [sourcePathFormat, sourcePath, location],
  );

it.each([
  ['a drive', 'Z:\\show\\tex', 'show/tex', 'WINDOWS', 'Z:\\show', 'show'],
  ['a drive alone', 'Z:', 'film', 'WINDOWS', 'Z:', 'film'],
  ['the other slash', 'z:/show/tex', 'show/tex', 'WINDOWS', 'z:/show', 'show'],
  ['other case', 'Z:\\SHOW\\Tex', 'show/tex', 'WINDOWS', 'Z:\\SHOW\\Tex', 'show/tex'],
  ['a share', '\\\\nas\\show\\tex', 'show/tex', 'WINDOWS', '\\\\nas\\show', 'show'],
  ['a Mac’s disk', '/Volumes/show/tex', 'show/tex', 'POSIX', '/Volumes/show', 'show'],
  ['POSIX, where case counts', '/show/Tex', 'show/tex', 'POSIX', '/show/Tex', 'show/tex'],
  ['the tree itself', '/home/ann/shot', '', 'POSIX', '/home/ann/shot', undefined],
])('leads %s to its place', (_, source, place, ...rule) => {
  expect(told([source, place])).toEqual([rule]);
});

it('takes one rule for all that lies alike, and its own for what does not', () => {
  expect(
    told(
      ['Z:\\show\\tex', 'show/tex'],
      ['Z:\\show\\geo\\rocks', 'show/geo/rocks'],
      ['Z:\\show\\old', 'attic/old'],
      ['Z:\\show\\old\\b', 'show/old/b'],
    ),
  ).toEqual([
    ['WINDOWS', 'Z:\\show', 'show'],
    ['WINDOWS', 'Z:\\show\\old', 'attic/old'],
    ['WINDOWS', 'Z:\\show\\old\\b', 'show/old/b'],
  ]);
});

it('leads every directory to its own place, whatever the others are', () => {
  const names = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 });
  const directory = fc.record({ source: names, place: names });
  const windows = fc.boolean();
  const distinct = fc.uniqueArray(directory, { selector: ({ source }) => source.join('/') });
  fc.assert(
    fc.property(distinct, windows, (found, isWindows) => {
      const directories = found.map(
        ({ source, place }): SourceDirectory => ({
          source: isWindows ? `Z:\\${source.join('\\')}` : `/${source.join('/')}`,
          place: place.join('/'),
        }),
      );
      const rules = sourceRules(directories).map((rule) => ({
        source_path_format: rule.sourcePathFormat,
        source_path: rule.sourcePath,
        destination_path: `/${rule.location}`,
      }));
      expect(rules.length).toBeLessThanOrEqual(directories.length * 2);
      for (const { source, place } of directories) {
        expect(mapPath(rules, source)).toBe(`/${place}`);
      }
    }),
  );
});

it.each([
  ['of the other system', { sourcePathFormat: 'POSIX', sourcePath: 'Z:\\show' }],
  ['of the other system', { sourcePathFormat: 'WINDOWS', sourcePath: '/show' }],
  ['that is relative', { sourcePathFormat: 'POSIX', sourcePath: 'show' }],
  ['with a line end', { sourcePathFormat: 'POSIX', sourcePath: '/show\n' }],
])('a submission takes no path %s', (_, rule) => {
  const parsed = sourceRuleSchema.safeParse(rule);
  expect(parsed.error?.issues[0]?.path).toEqual(['sourcePath']);
});
