import {
  matchesPattern,
  onlyPath,
  parsePattern,
  plainPattern,
  rootOf,
  withFrame,
} from '@karst/shared/outputs/path-pattern.ts';
import { describe, expect, it } from 'vitest';

const pattern = (text: string) => {
  const parsed = parsePattern(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
};
const matching = (text: string, paths: string[]) =>
  paths.filter((path) => matchesPattern(pattern(text), path));

describe('patterns of paths', () => {
  it('take names, characters, sets and directories', () => {
    const paths = ['a.png', 'ab.png', 'd/a.png', 'd/e/a.png', 'd/e/a.exr', '.png', 'd/é.png'];
    expect(matching('*.png', paths)).toEqual(['a.png', 'ab.png', '.png']);
    expect(matching('?.png', paths)).toEqual(['a.png']);
    expect(matching('**/*.png', paths)).toEqual(paths.filter((path) => path.endsWith('.png')));
    expect(matching('d/**/a.*', paths)).toEqual(['d/a.png', 'd/e/a.png', 'd/e/a.exr']);
    expect(matching('d/[!b-z].png', paths)).toEqual(['d/a.png', 'd/é.png']);
    expect(matching('d/*/[a]*[gr]', paths)).toEqual(['d/e/a.png', 'd/e/a.exr']);
    expect(matching('[]x]', [']', 'x', '['])).toEqual([']', 'x']);
    expect(matching('a**'.replace('**', '*'), ['a', 'abc', 'ba'])).toEqual(['a', 'abc']);
  });

  it('have a place for the number of a frame', () => {
    const shot = pattern('r/shot_####.png');
    expect(onlyPath(withFrame(shot, 7n))).toBe('r/shot_0007.png');
    expect(onlyPath(withFrame(shot, -7n))).toBe('r/shot_-0007.png');
    expect(onlyPath(withFrame(shot, 123_456n))).toBe('r/shot_123456.png');
    expect(onlyPath(shot)).toBeUndefined();
    expect(matching('r/shot_#.png', ['r/shot_12.png', 'r/shot.png'])).toEqual(['r/shot_12.png']);
  });

  it('leave what is written in brackets as it is', () => {
    const odd = 'a*b?c[d]#1';
    expect(onlyPath(pattern(plainPattern(odd)))).toBe(odd);
    expect(matching(plainPattern(odd), [odd, 'aXb?c[d]#1'])).toEqual([odd]);
  });

  it('tell below which directory they match', () => {
    expect(rootOf(pattern('a/b/*.png'))).toBe('a/b');
    expect(rootOf(pattern('a/*/b/c.png'))).toBe('a');
    expect(rootOf(pattern('**/*'))).toBe('');
  });

  it.each([
    ['/etc/passwd', 'empty'],
    ['a//b', 'empty'],
    ['a/../b', "'..'"],
    ['a/[bc', "']'"],
    ['a/b**', 'stand alone'],
    ['a/**', 'name of files'],
    ['##_##.png', 'one place for the frame number'],
    ['#/a_#.png', 'one place for the frame number'],
  ])('refuse %s', (text, words) => {
    const parsed = parsePattern(text);
    expect(parsed.ok ? 'taken' : parsed.error).toContain(words);
  });

  it('take no longer for a path that was made to', () => {
    const path = `${'a'.repeat(400)}/${'a'.repeat(399)}`;
    expect(matching(`**/${'*a'.repeat(100)}b`, [path])).toEqual([]);
    expect(matching(`${'**/a*/'.repeat(60)}b`, [`${'a/'.repeat(399)}a`])).toEqual([]);
  });
});
