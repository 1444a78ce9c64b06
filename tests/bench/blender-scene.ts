import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { outputTail, runCommand } from '../../scripts/run-command.ts';

export interface SceneSize {
  frames: number;
  samples: number;
  width: number;
  height: number;
}

/** A cube and a sphere on a plane under a sun; cube and camera move. Cycles on the processor. */
const script = ({ frames, samples, width, height }: SceneSize) => `
import bpy, math, sys
scene = bpy.context.scene
cube, camera = bpy.data.objects["Cube"], bpy.data.objects["Camera"]
bpy.ops.mesh.primitive_plane_add(size=20, location=(0, 0, -1))
bpy.ops.mesh.primitive_uv_sphere_add(segments=48, ring_count=24, location=(2.2, 1.2, 0))
bpy.ops.object.light_add(type="SUN", rotation=(0.6, 0.2, 0.4))
bpy.context.object.data.energy = 2
for frame, turn in ((1, 0.0), (${frames}, math.pi / 2)):
    cube.rotation_euler = (0, turn / 2, turn)
    cube.keyframe_insert("rotation_euler", frame=frame)
    camera.location.z = 4.9 + turn
    camera.keyframe_insert("location", frame=frame)
scene.frame_start, scene.frame_end = 1, ${frames}
scene.render.engine = "CYCLES"
scene.cycles.device = "CPU"
scene.cycles.samples = ${samples}
scene.cycles.use_adaptive_sampling = False
# Debian's Blender has no denoiser.
scene.cycles.use_denoising = False
scene.render.resolution_x, scene.render.resolution_y = ${width}, ${height}
scene.render.resolution_percentage = 100
scene.render.image_settings.file_format = "PNG"
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[-1])
`;

/** Has Blender make the scene in a directory; answers the .blend file. */
export async function makeBenchScene(dir: string, size: SceneSize): Promise<string> {
  const source = join(dir, 'make-scene.py');
  const scene = join(dir, 'bench.blend');
  await writeFile(source, script(size));
  await blender(['--python-exit-code', '1', '--python', source, '--', scene]);
  return scene;
}

/** Runs a Blender without a window or the user's settings; throws with its words if it fails. */
export async function blender(args: readonly string[]): Promise<void> {
  const all = ['--background', '--factory-startup', '-noaudio', ...args];
  const result = await runCommand('blender', all);
  if (result.code !== 0) throw new Error(`blender failed: ${outputTail(result)}`);
}
