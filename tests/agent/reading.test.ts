import { describe, expect, it } from 'vitest';
import { LineSplitter, lineBytesMax } from '../../worker-agent/session/line-splitter.ts';
import { parseRendererProgress } from '../../worker-agent/session/renderer-progress.ts';

describe('progress of renderers', () => {
  it('is read from what Blender prints', () => {
    const sample =
      'Fra:12 Mem:91.22M (Peak 91.22M) | Time:00:01.02 | Remaining:00:04.10 | Mem:33.85M, Peak:33.85M | Scene, ViewLayer | Sample 3/16';
    expect(parseRendererProgress(sample)).toEqual({ percent: 18.75, status: 'frame 12' });
    const tiles =
      'Fra:-4 Mem:8.05M (Peak 8.05M) | Time:00:00.50 | Mem:0.00M, Peak:0.00M | Scene, RenderLayer | Rendered 4/16 Tiles, Sample 16/16';
    expect(parseRendererProgress(tiles)).toEqual({ percent: 25, status: 'frame -4' });
    expect(parseRendererProgress('Fra:1 Mem:8.05M | Syncing Cube')).toBeUndefined();
    expect(parseRendererProgress('Sample 3/16')).toBeUndefined();
  });

  it('is read from what POV-Ray prints', () => {
    expect(parseRendererProgress('Rendered 14400 of 57600 pixels (25%)')).toEqual({ percent: 25 });
  });
});

describe('lines', () => {
  it('come out the same however their bytes arrive', () => {
    const bytes = Buffer.from('one\r\ntwo ünï\n\nlast');
    for (let size = 1; size <= bytes.length; size++) {
      const splitter = new LineSplitter();
      const lines: string[] = [];
      for (let at = 0; at < bytes.length; at += size) {
        lines.push(...splitter.push(bytes.subarray(at, at + size)));
      }
      expect([...lines, ...splitter.end()]).toEqual(['one', 'two ünï', '', 'last']);
    }
  });

  it('are cut where they get too long', () => {
    const splitter = new LineSplitter();
    const long = Buffer.alloc(lineBytesMax, 'x');
    expect(splitter.push(long)).toEqual([]);
    expect(splitter.push(long)).toEqual([]);
    const lines = splitter.push(Buffer.from('y\nnext\n'));
    expect(lines.map((line) => line.length)).toEqual([lineBytesMax, 4]);
  });
});
