import path from 'node:path';
import { scenePathsScript } from '@karst/shared/recipes/blender/scene-paths-script.ts';
import { beforeAll, expect, it } from 'vitest';
import { runCommand } from '../../scripts/run-command.ts';
import { ensureSystemPackages } from '../../scripts/system-packages.ts';
import { succeeded } from './support/hand-session.ts';
import { testDir } from './support/scenes.ts';

beforeAll(() => ensureSystemPackages(['blender']), 600_000);

/** A scene with one of each kind of path, all on drive Z: but the caches that have to lie beside it. */
const everyKind = `
import bpy, os, shutil, sys, wave

root = sys.argv[-1]

def made(name):
    file = os.path.join(root, "mnt", name)
    os.makedirs(os.path.dirname(file), exist_ok=True)
    with open(file, "w"):
        return file

def there(name):
    return "Z:\\\\show\\\\" + name.replace("/", "\\\\")

def keep(block, name):
    block.use_fake_user = True
    block.filepath = there(name)

scene_file = os.path.join(root, "kinds.blend")
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.wm.save_as_mainfile(filepath=scene_file)
image = bpy.data.images.new("new", 4, 4)
for frame in (1, 2):
    image.filepath_raw, image.file_format = made("clip/c_%04d.png" % frame), "PNG"
    image.save()
bpy.data.images.remove(image)
with wave.open(made("s.wav"), "wb") as sound:
    sound.setnchannels(1), sound.setsampwidth(2), sound.setframerate(8000)
    sound.writeframes(bytes(1600))
keep(bpy.data.sounds.load(os.path.join(root, "mnt/s.wav")), "s.wav")
keep(bpy.data.movieclips.load(os.path.join(root, "mnt/clip/c_0001.png")), "clip/c_0001.png")
fonts = bpy.utils.system_resource("DATAFILES", path="fonts")
shutil.copy(os.path.join(fonts, "DejaVuSansMono.woff2"), made("mono.woff2"))
keep(bpy.data.fonts.load(os.path.join(root, "mnt/mono.woff2")), "mono.woff2")
made("vdb/v_1.vdb"), made("vdb/v_2.vdb")
volume = bpy.data.volumes.new("Volume")
volume.is_sequence = True
keep(volume, "vdb/v_1.vdb")
bpy.ops.cachefile.open(filepath=made("a.abc"))
keep(bpy.data.cache_files[0], "a.abc")
keep(bpy.data.texts.load(made("t.py")), "t.py")
bpy.ops.mesh.primitive_plane_add()
plane = bpy.context.object
plane.modifiers.new("m", "MESH_CACHE").filepath = there("m.pc2")
made("m.pc2"), made("cloth/a.bphys"), made("ocean/o.exr"), made("l.ies"), made("o.osl")
cache = plane.modifiers.new("c", "CLOTH").point_cache
cache.use_external, cache.filepath = True, there("cloth")
plane.modifiers.new("s", "SOFT_BODY").point_cache.use_disk_cache = True
os.makedirs(os.path.join(root, "blendcache_kinds"), exist_ok=True)
open(os.path.join(root, "blendcache_kinds/a.bphys"), "w").close()
plane.modifiers.new("o", "OCEAN").filepath = there("ocean")
bpy.ops.mesh.primitive_cube_add()
fluid = bpy.context.object.modifiers.new("f", "FLUID")
fluid.fluid_type = "DOMAIN"
fluid.domain_settings.cache_directory = "//fluid"
material = bpy.data.materials.new("Material")
material.use_nodes = material.use_fake_user = True
for kind, name in (("ShaderNodeTexIES", "l.ies"), ("ShaderNodeScript", "o.osl")):
    node = material.node_tree.nodes.new(kind)
    node.mode, node.filepath = "EXTERNAL", there(name)
strips = bpy.context.scene.sequence_editor_create().sequences
strip = strips.new_image("i", os.path.join(root, "mnt/clip/c_0001.png"), 1, 1)
strip.directory, strip.elements[0].filename = there("CLIP") + "\\\\", "C_0001.PNG"
bpy.ops.wm.save_as_mainfile(filepath=scene_file, relative_remap=False)
bpy.ops.wm.open_mainfile(filepath=scene_file)

${scenePathsScript}

told = []
rules = [dict(source_path_format="WINDOWS", source_path="z:/SHOW", destination_path=os.path.join(root, "mnt"))]
for reference in list(references()):
    home = home_of(reference.block)
    before = reference.path
    place, files, missing = locate(reference, home, rules)
    if place is not None and not leads(before, home, place):
        reference.move(place, files)
    told.append([reference.kind, before, place, len(files), missing])
after = sorted(set(os.path.relpath(each.path, root) for each in references() if each.path.startswith(root)))
print("told " + json.dumps(dict(told=told, after=after)))
`;

it('knows each kind of path of a scene, and has Blender use another place for it', async () => {
  const dir = await testDir();
  const args = ['--background', '--factory-startup', '-noaudio', '--python-exit-code', '1'];
  const ran = succeeded(
    await runCommand('blender', [...args, '--python-expr', everyKind, '--', dir]),
  );
  const [line = ''] = /^told .*$/m.exec(ran.stdout.toString()) ?? [];
  const { told, after } = JSON.parse(line.slice('told '.length));
  const here = (...names: string[]) => path.join(dir, ...names);
  expect(told).toEqual([
    ['sound', 'Z:/show/s.wav', here('mnt/s.wav'), 1, []],
    ['movie clip', 'Z:/show/clip/c_0001.png', here('mnt/clip/c_0001.png'), 2, []],
    ['font', 'Z:/show/mono.woff2', here('mnt/mono.woff2'), 1, []],
    ['volume', 'Z:/show/vdb/v_1.vdb', here('mnt/vdb/v_1.vdb'), 2, []],
    ['cache file', 'Z:/show/a.abc', here('mnt/a.abc'), 1, []],
    ['text', 'Z:/show/t.py', here('mnt/t.py'), 1, []],
    ['fluid cache', '//fluid', here('fluid'), expect.any(Number), []],
    ['mesh cache', 'Z:/show/m.pc2', here('mnt/m.pc2'), 1, []],
    ['point cache', 'Z:\\show\\cloth', here('mnt/cloth'), 1, []],
    ['point cache', '//blendcache_kinds', here('blendcache_kinds'), 1, []],
    ['ocean cache', 'Z:/show/ocean', here('mnt/ocean'), 1, []],
    ['strip', 'Z:/show/CLIP//', here('mnt/clip'), 1, []],
    ['light profile', 'Z:/show/l.ies', here('mnt/l.ies'), 1, []],
    ['script', 'Z:/show/o.osl', here('mnt/o.osl'), 1, []],
  ]);
  expect(after).toEqual([
    'mnt/a.abc',
    'mnt/clip',
    'mnt/clip/c_0001.png',
    'mnt/cloth',
    'mnt/l.ies',
    'mnt/m.pc2',
    'mnt/mono.woff2',
    'mnt/o.osl',
    'mnt/ocean',
    'mnt/s.wav',
    'mnt/t.py',
    'mnt/vdb/v_1.vdb',
  ]);
}, 30_000);
