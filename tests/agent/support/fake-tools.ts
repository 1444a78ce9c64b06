import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';

const dirs: string[] = [];

afterEach(async () => {
  for (const dir of dirs.splice(0)) await rm(dir, { recursive: true, force: true });
});

/** A PATH on which these programs come first, each a shell script; gone after the test. */
export async function pathWith(programs: Record<string, string>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'karst-tools-'));
  dirs.push(dir);
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(join(dir, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(dir, name), 0o755);
  }
  return `${dir}:${process.env.PATH ?? '/usr/bin:/bin'}`;
}

export const nvidiaUuids = [
  'GPU-22b2c6ac-2d49-4863-197c-9c469071178a',
  'GPU-101b1cf0-fdf7-b374-a62c-76b25134fcf2',
] as const;

/** nvidia-smi of a machine with two cards, as its query prints them. */
export const nvidiaSmi = `cat <<'END'
0, NVIDIA H200, ${nvidiaUuids[0]}, 143771
1, NVIDIA H200, ${nvidiaUuids[1]}, 143771
END`;

/** rocm-smi of a machine with two cards. */
export const rocmSmi = `cat <<'END'
{"card0": {"Card series": "MI300X", "VRAM Total Memory (B)": "206141652992"},
 "card1": {"Card series": "MI300X", "VRAM Total Memory (B)": "206141652992"}}
END`;
