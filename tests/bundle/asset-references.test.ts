import { parseAssetReferences } from '@karst/shared/bundle/asset-references.ts';
import { describe, expect, it } from 'vitest';
import { accepted, problemLines } from './problem-lines.ts';

describe('an asset_references file', () => {
  it('lists inputs, outputs and mentioned paths, with where they stand', () => {
    const text = `assetReferences:
  inputs:
    filenames:
    - /proj/shot.ma
    - tex/wood.png
    directories: [/proj/cache]
  outputs:
    directories:
    - /proj/renders
  referencedPaths: [/proj]
`;
    const found = accepted(parseAssetReferences(text, 'yaml'));
    expect(found).toMatchObject({
      inputFiles: [
        { path: '/proj/shot.ma', line: 4, column: 7 },
        { path: 'tex/wood.png', line: 5, column: 7 },
      ],
      inputDirs: [{ path: '/proj/cache', line: 6, column: 19 }],
      outputDirs: [{ path: '/proj/renders', line: 9, column: 7 }],
      mentioned: [{ path: '/proj', line: 10, column: 21 }],
    });
    expect(found.inputFiles[1]?.at).toEqual(['assetReferences', 'inputs', 'filenames', 1]);
  });

  it('may leave out any part, or say nothing', () => {
    const texts = ['', '{}', 'assetReferences: {}', 'assetReferences: {inputs: {}, outputs: {}}'];
    for (const text of texts) {
      expect(accepted(parseAssetReferences(text, 'yaml')).inputFiles).toEqual([]);
    }
  });

  it('counts a path that is listed twice once', () => {
    const text = '{"assetReferences": {"inputs": {"filenames": ["a", "a", "b"]}}}';
    const { inputFiles } = accepted(parseAssetReferences(text, 'json'));
    expect(inputFiles.map(({ path }) => path)).toEqual(['a', 'b']);
  });
});

describe('an asset_references file is refused', () => {
  it.each([
    [
      'without its key',
      'inputs: {}',
      '1:1 inputs: unknown key "inputs" in an asset_references file (expected assetReferences)',
    ],
    [
      'with a misspelt part',
      'assetReferences: {input: {}}',
      '1:19 assetReferences.input: unknown key "input" in assetReferences; did you mean "inputs"? (expected inputs, outputs, referencedPaths)',
    ],
    [
      'with output files',
      'assetReferences: {outputs: {filenames: [a]}}',
      '1:29 assetReferences.outputs.filenames: unknown key "filenames" in outputs (expected directories)',
    ],
    [
      'with one path instead of a list',
      'assetReferences: {inputs: {directories: a}}',
      '1:41 assetReferences.inputs.directories: expected a list of paths, found the text "a"',
    ],
    [
      'with an empty path',
      'assetReferences: {referencedPaths: [""]}',
      '1:37 assetReferences.referencedPaths[0]: expected a path (text), found empty text',
    ],
    [
      'with a number for a path',
      'assetReferences: {referencedPaths: [5]}',
      '1:37 assetReferences.referencedPaths[0]: expected a path (text), found the integer 5',
    ],
    [
      'with a control character in a path',
      'assetReferences: {referencedPaths: ["a\\tb"]}',
      '1:37 assetReferences.referencedPaths[0]: expected a path without control characters, found U+0009',
    ],
  ])('%s', (_, text, line) => {
    expect(problemLines(parseAssetReferences(text, 'yaml'))).toContain(line);
  });
});
