import path from 'node:path';
import { outsideTree, placeOutside } from '@karst/cli/bundle/outside-tree.ts';
import { expect, it } from 'vitest';

const file = (absolutePath: string) => ({ absolutePath, objectType: 'FILE' as const });

it('keeps files as they lie to each other, below the deepest directory that holds them all', () => {
  const tree = outsideTree([file('/show/a/x.blend'), file('/show/tex/w.png')], new Set(['show']));
  expect(tree).toEqual([{ dir: '/show', name: 'show-2' }]);
  expect(placeOutside(tree, '/show/tex/w.png')).toBe('show-2/tex/w.png');
  expect(outsideTree([file('/a/x'), file('/b/y')], new Set())).toEqual([
    { dir: '/', name: 'outside' },
  ]);
});

it('of a Windows machine is a directory for each drive and share', () => {
  const files = [
    'C:\\show\\a\\x.blend',
    'D:\\show\\w.png',
    'c:\\Show\\b\\y.png',
    '\\\\nas\\lib\\l.blend',
  ];
  const tree = outsideTree(files.map(file), new Set(), path.win32);
  expect(tree).toEqual([
    { dir: 'C:\\show', name: 'show' },
    { dir: 'D:\\show', name: 'show-2' },
    { dir: '\\\\nas\\lib\\', name: 'lib' },
  ]);
  expect(files.map((each) => placeOutside(tree, each, path.win32))).toEqual([
    'show/a/x.blend',
    'show-2/w.png',
    'show/b/y.png',
    'lib/l.blend',
  ]);
});
