import path from 'node:path';
import { runCommand } from '../../../scripts/run-command.ts';
import { succeeded } from '../../recipes/support/hand-session.ts';

/** What both scripts begin with. The last argument is the directory to write into. */
const begin = `
import os, sys
import bpy

root = sys.argv[-1]

def at(*names):
    file = os.path.join(root, *names)
    os.makedirs(os.path.dirname(file), exist_ok=True)
    return file

def picture(colour, *names):
    image = bpy.data.images.new("new", 4, 4)
    image.generated_color = colour + (1,)
    image.filepath_raw, image.file_format = at(*names), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return at(*names)

def texture(name, file, path):
    image = bpy.data.images.load(file)
    image.name, image.filepath = name, path
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    node, glow = tree.nodes.new("ShaderNodeTexImage"), tree.nodes.new("ShaderNodeEmission")
    node.image = image
    tree.links.new(node.outputs[0], glow.inputs[0])
    tree.links.new(glow.outputs[0], tree.nodes.new("ShaderNodeOutputMaterial").inputs[0])
    return material

def plane(name, material):
    bpy.ops.mesh.primitive_plane_add(size=2)
    bpy.context.object.name = name
    bpy.context.object.data.materials.append(material)
    return bpy.context.object

def save(*names):
    # Else Blender would take "Z:\\\\show" for a relative path.
    bpy.ops.wm.save_as_mainfile(filepath=at(*names), relative_remap=False)

def start(*names):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    save(*names)

def link(file, path, name):
    with bpy.data.libraries.load(file, link=True) as (_, wanted):
        wanted.objects = [name]
    bpy.context.scene.collection.objects.link(wanted.objects[0])
    bpy.data.libraries[os.path.basename(file)].filepath = path
    return wanted.objects[0]
`;

const film = `${begin}
red = (1.0, 0.0, 0.0)

start("film/lib/leg.blend")
plane("Leg", texture("Leg", picture(red, "film/lib/leg.png"), "//leg.png"))
save("film/lib/leg.blend")

start("film/lib/chair.blend")
seat = plane("Seat", texture("Seat", picture(red, "film/lib/seat.png"), "//seat.png"))
seat.parent = link(at("film/lib/leg.blend"), "//leg.blend", "Leg")
save("film/lib/chair.blend")

start("mnt/lib/lamp.blend")
plane("Bulb", texture("Bulb", picture(red, "mnt/lib/bulb.png"), "//bulb.png"))
save("mnt/lib/lamp.blend")

start("film/scenes/shot.blend")
link(at("film/lib/chair.blend"), "//../lib/chair.blend", "Seat")
link(at("mnt/lib/lamp.blend"), "Z:\\\\show\\\\lib\\\\lamp.blend", "Bulb")
plane("Wood", texture("Wood", picture(red, "film/tex/wood.png"), "//..\\\\tex\\\\Wood.png"))
plane("Abs", texture("Abs", picture(red, "film/tex/abs.png"), at("film/tex/abs.png")))
plane("Win", texture("Win", picture(red, "mnt/tex/Win.png"), "z:/Show/tex/win.png"))
plane("Unc", texture("Unc", picture(red, "nas/unc.png"), "\\\\\\\\NAS\\\\lib\\\\unc.png"))
plane("Gone", texture("Gone", at("film/tex/abs.png"), "//../tex/gone.png"))
packed = texture("Packed", at("film/tex/abs.png"), "//../tex/packed.png")
bpy.data.images["Packed"].filepath = at("film/tex/abs.png")
bpy.data.images["Packed"].pack()
bpy.data.images["Packed"].filepath = "//nowhere.png"
plane("Packed", packed)
for frame in (1, 2, 3):
    picture(red, "film/plates/p_%04d.png" % frame)
plane("Plate", texture("Plate", at("film/plates/p_0001.png"), "//../plates/p_0001.png"))
bpy.data.images["Plate"].source = "SEQUENCE"
for tile in (1001, 1002):
    picture(red, "film/tex/tile.%d.png" % tile)
plane("Tiled", texture("Tiled", at("film/tex/tile.1001.png"), "//../tex/tile.<UDIM>.png"))
bpy.data.images["Tiled"].source = "TILED"
for tile in (1002, 1003):
    bpy.data.images["Tiled"].tiles.new(tile)
editor = bpy.context.scene.sequence_editor_create()
strip = editor.sequences.new_image("Cut", at("film/plates/p_0002.png"), 1, 1)
strip.elements.append("p_0003.png")
strip.directory = "//../plates/"
save("film/scenes/shot.blend")
`;

/**
 * Two planes that fill the frame: the texture of the upper one is on drive Z: of another machine, as
 * is the library with the lower one, and the library there with its material.
 */
const windows = `${begin}
start("mnt/lib/blue.blend")
texture("Blue", picture((0.0, 0.0, 1.0), "mnt/tex/blue.png"), "//../tex/blue.png").use_fake_user = True
save("mnt/lib/blue.blend")

start("mnt/lib/lower.blend")
with bpy.data.libraries.load(at("mnt/lib/blue.blend"), link=True) as (_, wanted):
    wanted.materials = ["Blue"]
bpy.data.libraries["blue.blend"].filepath = "Z:\\\\show\\\\lib\\\\blue.blend"
lower = plane("Lower", wanted.materials[0])
lower.location, lower.scale = (0, -0.5, 0), (1, 0.5, 1)
save("mnt/lib/lower.blend")

start("job/shot.blend")
link(at("mnt/lib/lower.blend"), "Z:\\\\show\\\\lib\\\\lower.blend", "Lower")
upper = plane("Upper", texture("Upper", picture((0.0, 1.0, 0.0), "mnt/tex/Green.png"), "z:\\\\Show\\\\Tex\\\\green.PNG"))
upper.location, upper.scale = (0, 0.5, 0), (1, 0.5, 1)
camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
camera.data.type, camera.data.ortho_scale, camera.location = "ORTHO", 2, (0, 0, 5)
scene = bpy.context.scene
scene.collection.objects.link(camera)
scene.camera = camera
scene.render.engine = "CYCLES"
scene.cycles.samples, scene.cycles.use_denoising = 1, False
scene.render.resolution_x = scene.render.resolution_y = 16
scene.view_settings.view_transform = "Standard"
scene.render.dither_intensity = 0
save("job/shot.blend")
`;

async function make(script: string, dir: string): Promise<void> {
  const args = ['--background', '--factory-startup', '-noaudio', '--python-exit-code', '1'];
  succeeded(await runCommand('blender', [...args, '--python-expr', script, '--', dir]));
}

/** `film/scenes/shot.blend` with one of most things a scene can need; what it calls Z:\show is `mnt`. */
export async function makeFilm(dir: string): Promise<string> {
  await make(film, dir);
  return path.join(dir, 'film/scenes/shot.blend');
}

/** `job/shot.blend`, 16 x 16 pixels: green from Z:\show\tex above, blue from a library there below. */
export async function makeWindowsScene(dir: string): Promise<string> {
  await make(windows, dir);
  return path.join(dir, 'job/shot.blend');
}
