import { mapPath } from '@karst/shared/openjd/map-path.ts';
import type { PathMappingRule } from '@karst/shared/openjd/path-mapping-rules.ts';
import { describe, expect, it } from 'vitest';
import { treeRules } from '../../worker-agent/session/path-mapping.ts';

const posix = (source: string, destination: string): PathMappingRule => ({
  source_path_format: 'POSIX',
  source_path: source,
  destination_path: destination,
});
const windows = (source: string, destination: string): PathMappingRule => ({
  ...posix(source, destination),
  source_path_format: 'WINDOWS',
});

describe('path mapping', () => {
  it.each([
    ['maps what is below a source', posix('/mnt/a', '/b'), '/mnt/a/x/y', '/b/x/y'],
    ['maps the source itself', posix('/mnt/a', '/b'), '/mnt/a', '/b'],
    ['heeds whole names only', posix('/mnt/a', '/b'), '/mnt/ab', '/mnt/ab'],
    ['does not mind a slash at the end', posix('/mnt/a/', '/b/'), '/mnt/a/x', '/b/x'],
    ['keeps a slash at the end of the path', posix('/mnt/a', '/b'), '/mnt/a/x/', '/b/x/'],
    ['also of the source itself', posix('/mnt/a/', '/b'), '/mnt/a/', '/b/'],
    ['maps the root', posix('/', '/b'), '/x', '/b/x'],
    ['heeds case on POSIX', posix('/mnt/A', '/b'), '/mnt/a/x', '/mnt/a/x'],
    [
      'maps Windows paths in any case, slashes either way',
      windows('Z:\\Proj', '/c'),
      'z:/proj/a\\b',
      '/c/a/b',
    ],
    ['maps to Windows paths', posix('/mnt/a', 'Z:\\proj'), '/mnt/a/x/y', 'Z:\\proj\\x\\y'],
    ['leaves other paths alone', windows('Z:\\Proj', '/c'), '/mnt/x', '/mnt/x'],
  ])('%s', (_, rule, path, mapped) => {
    expect(mapPath([rule], path)).toBe(mapped);
  });

  it('applies the longest source first, and one rule only', () => {
    const rules = [posix('/mnt', '/short'), posix('/mnt/a', '/mnt/long')];
    expect(mapPath(rules, '/mnt/a/x')).toBe('/mnt/long/x');
    expect(mapPath(rules, '/mnt/b')).toBe('/short/b');
  });

  it('of a job on a farm leads absolute paths to their place in the file tree', () => {
    const parameters = {
      Scene: { type: 'PATH' as const, value: '/show/a.blend' },
      Textures: { type: 'PATH' as const, value: 'Z:\\tex' },
      Out: { type: 'PATH' as const, value: 'out' },
    };
    const locations = { Scene: 'in/a.blend', Textures: 'in/tex', Out: 'out' };
    expect(treeRules({ parameters, locations }, '/session/files')).toEqual([
      posix('/show/a.blend', '/session/files/in/a.blend'),
      windows('Z:\\tex', '/session/files/in/tex'),
    ]);
  });

  it('of a job on a farm leads directories of the submission there as well', () => {
    const pathMapping = [
      { sourcePathFormat: 'WINDOWS' as const, sourcePath: '\\\\nas\\lib', location: 'show/lib' },
      { sourcePathFormat: 'POSIX' as const, sourcePath: '/Volumes/show' },
    ];
    const rules = treeRules({ parameters: {}, locations: {}, pathMapping }, '/session/files');
    expect(rules).toEqual([
      windows('\\\\nas\\lib', '/session/files/show/lib'),
      posix('/Volumes/show', '/session/files'),
    ]);
    expect(mapPath(rules, '\\\\NAS/lib\\a.blend')).toBe('/session/files/show/lib/a.blend');
  });
});
