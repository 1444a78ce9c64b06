import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

const TEXTURE = 'texture\n'.repeat(40_000);

const action = {
  command: '/bin/sh',
  args: [
    '-ec',
    'cat "$1/stone.txt" > "$2/frame-$3.txt"; echo "frame $3" >> "$2/frame-$3.txt"',
    ...['task', '{{Param.Textures}}', '{{Param.Out}}', '{{Task.Param.N}}'],
  ],
};
const directory = (name: string, dataFlow: 'IN' | 'OUT') => ({
  name,
  type: 'PATH',
  objectType: 'DIRECTORY',
  dataFlow,
  default: name.toLowerCase(),
});

/** A bundle whose three tasks each leave 320 kB of what came with the job. `salt`: content of its own. */
export async function writeStorageJob(dir: string, salt: string): Promise<void> {
  await mkdir(path.join(dir, 'textures'), { recursive: true });
  await writeFile(path.join(dir, 'textures/stone.txt'), `${salt}\n${TEXTURE}`);
  const template = {
    specificationVersion: 'jobtemplate-2023-09',
    name: 'files',
    parameterDefinitions: [directory('Textures', 'IN'), directory('Out', 'OUT')],
    steps: [
      {
        name: 'Render',
        parameterSpace: { taskParameterDefinitions: [{ name: 'N', type: 'INT', range: '0-2' }] },
        script: { actions: { onRun: action } },
      },
    ],
  };
  await writeFile(path.join(dir, 'template.yaml'), JSON.stringify(template));
}

export const frameOf = (salt: string, task: number) => `${salt}\n${TEXTURE}frame ${task}\n`;

/** What a download left, by name. */
export async function downloadedFrames(dir: string): Promise<string[]> {
  const read = (task: number) => readFile(path.join(dir, `out/frame-${task}.txt`), 'utf8');
  return await Promise.all([0, 1, 2].map(read));
}
