import { readFile } from 'node:fs/promises';
import type { Job } from '@karst/shared/protocol/job.ts';
import { compiled } from '../../recipes/support/hand-session.ts';
import type { Farm } from '../../support/farm.ts';
import { uploadAsset } from './assets.ts';

/** Submits what a Blender recipe makes; `fields` as in its file, without the scene. */
export async function submitRender(farm: Farm, scene: string, fields: string): Promise<Job> {
  const { template, parameters } = compiled(`render: {scene: scene.blend, ${fields}}`);
  const inputs = [await uploadAsset(farm, await readFile(scene), 'scene.blend')];
  return await farm.submit(JSON.stringify(template), { parameters, inputs });
}
