"""A camera drifts around a lantern raft among limestone peaks in morning mist.

Blender runs this file once per frame and it makes everything: meshes, materials, light, camera.

    blender -b --factory-startup -noaudio --python-exit-code 1 --python scene.py -- \
        --frame 1 --frames 24 --output frames/orbit_####.png --samples 8 --width 320 --height 180

Nothing here is random from run to run: the same frame always gives the same pixels.
"""

import argparse
import importlib.util
import math
import os
import random
import sys

import bpy
from mathutils import Vector, noise


def status(percent, text):
    """Tells the farm how far this task is. The leading newline ends a line Blender left open."""
    print(f"\nopenjd_progress: {percent}\nopenjd_status: {text}", flush=True)


# --- shapes --------------------------------------------------------------------------------------


def new_object(name, mesh, material=None, location=(0, 0, 0), scale=(1, 1, 1), turn=0.0):
    thing = bpy.data.objects.new(name, mesh)
    thing.location, thing.scale, thing.rotation_euler = location, scale, (0, 0, turn)
    # shaders.lit() has the light thrown by what glows; found by chance rays it would be speckles.
    thing.visible_diffuse = False
    if material and not mesh.materials:
        mesh.materials.append(material)
    bpy.context.scene.collection.objects.link(thing)
    return thing


def new_mesh(name, vertices, faces, smooth=True):
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(vertices, [], faces)
    mesh.polygons.foreach_set("use_smooth", [smooth] * len(faces))
    return mesh


def rings(sections, around):
    """Faces joining `sections` rings of `around` vertices each, bottom to top."""
    return [
        (
            s * around + a,
            s * around + (a + 1) % around,
            (s + 1) * around + (a + 1) % around,
            (s + 1) * around + a,
        )
        for s in range(sections - 1)
        for a in range(around)
    ]


def lathe(name, profile, around=12):
    """A mesh turned from (radius, height) pairs."""
    vertices = [
        (radius * math.cos(2 * math.pi * a / around), radius * math.sin(2 * math.pi * a / around), z)
        for radius, z in profile
        for a in range(around)
    ]
    return new_mesh(name, vertices, rings(len(profile), around))


def peak_mesh(name, rng):
    """One karst peak, about 1 high: a few sheer, round-headed columns grown into each other."""
    vertices, faces, clefts = [], [], []
    around, sections = 40, 34
    offset = Vector((rng.uniform(-90, 90), rng.uniform(-90, 90), 0))
    for column in range(rng.randint(2, 4)):
        height = 1.0 if column == 0 else rng.uniform(0.45, 0.85)
        width = rng.uniform(0.2, 0.27) * (1.0 if column == 0 else 0.85)
        angle, away = rng.uniform(0, 2 * math.pi), 0.0 if column == 0 else rng.uniform(0.16, 0.3)
        x0, y0 = away * math.cos(angle), away * math.sin(angle)
        first = len(vertices)
        for s in range(sections):
            t = s / (sections - 1)
            # Sheer wall to about 3/4 of the height, then a dome; worn in at the waterline.
            radius = (
                width * (1.18 - 0.35 * t) * math.sqrt(max(0.0, 1.0 - t**5.0)) * (1 - 0.12 * math.exp(-t * 26))
            )
            for a in range(around):
                turn = 2 * math.pi * a / around
                outward = Vector((math.cos(turn), math.sin(turn), 0))
                spot = outward * radius + Vector((x0, y0, t * height))
                at = spot + offset
                big = noise.noise(at * 3.3)
                ribs = noise.noise(Vector((at.x * 9, at.y * 9, at.z * 2.6)))
                ledges = noise.noise(Vector((at.x * 3, at.y * 3, at.z * 15)))
                fine = noise.noise(at * 21)
                push = 0.085 * big + 0.045 * ribs + 0.022 * ledges + 0.014 * fine
                fade = min(1.0, 1.5 * radius / width + 0.2)
                lift = 0.05 * big * t + 0.02 * fine * t
                vertices.append(tuple(spot + outward * push * fade + Vector((0, 0, lift))))
                clefts.append(min(1.0, max(0.0, -0.9 * ribs - 0.5 * ledges - 0.5 * fine)))
        faces += [tuple(first + i for i in face) for face in rings(sections, around)]
    mesh = new_mesh(name, vertices, faces)
    mesh.attributes.new("cleft", "FLOAT", "POINT").data.foreach_set("value", clefts)
    return mesh


def make_peaks(material, rng):
    meshes = [peak_mesh(f"peak{i}", rng) for i in range(5)]
    # (bearing in degrees from the north, distance, height): near ones by hand, the rest by chance.
    placed = [(-66, 33, 20), (-44, 23, 15), (-24, 37, 21), (-4, 29, 12)]
    placed += [(9, 52, 29), (34, 60, 27), (44, 25, 16), (63, 36, 22)]
    for distance, count in ((75, 9), (115, 13), (170, 18)):
        for i in range(count):
            bearing = -105 + 210 * (i + rng.uniform(0.1, 0.9)) / count
            placed.append((bearing, distance * rng.uniform(0.88, 1.15), distance * rng.uniform(0.16, 0.36)))
    for i, (bearing, distance, height) in enumerate(placed):
        east, north = math.sin(math.radians(bearing)), math.cos(math.radians(bearing))
        wide = height * rng.uniform(0.62, 0.9)
        new_object(
            f"peak.{i}",
            meshes[i % len(meshes)],
            material,
            (east * distance, north * distance, -0.3),
            (wide, wide, height),
            rng.uniform(0, 2 * math.pi),
        )


def make_raft(wood, cloth, lantern, hook, phase):
    """A bamboo raft with its fisherman, his hat, his pole and the lantern at the bow, hung at `hook`."""
    bob = 0.02 * math.sin(2 * math.pi * phase)
    for i in range(7):
        vertices = []
        for s in range(15):
            along = -2.0 + 4.0 * s / 14
            rise = 0.09 + bob + 0.34 * max(0.0, abs(along) / 2.0 - 0.55) ** 1.5
            for a in range(6):
                turn = 2 * math.pi * a / 6
                vertices.append(
                    (along, (i - 3) * 0.115 + 0.055 * math.cos(turn), rise + 0.055 * math.sin(turn))
                )
        new_object(f"bamboo{i}", new_mesh("bamboo", vertices, rings(15, 6)), wood)
    x = -0.55
    body = [
        (0.0, 0.1),
        (0.13, 0.1),
        (0.12, 0.45),
        (0.17, 0.62),
        (0.16, 0.85),
        (0.17, 1.0),
        (0.06, 1.08),
        (0.0, 1.1),
    ]
    new_object("body", lathe("body", body), cloth, (x, 0, bob))
    new_object(
        "head", lathe("head", [(0.0, 1.06), (0.08, 1.1), (0.09, 1.18), (0.0, 1.26)]), wood, (x, 0, bob)
    )
    new_object(
        "hat", lathe("hat", [(0.0, 1.19), (0.31, 1.17), (0.02, 1.38), (0.0, 1.385)]), wood, (x, 0, bob)
    )
    pole = new_object(
        "pole", lathe("pole", [(0.017, -0.9), (0.017, 2.0)], 6), wood, (x + 0.3, -0.12, 0.5 + bob)
    )
    pole.rotation_euler = (0.16, -0.3, 0)
    arm = new_object("arm", lathe("arm", [(0.05, 0.0), (0.04, 0.4)], 6), cloth, (x + 0.05, -0.12, 0.93 + bob))
    arm.rotation_euler = (0.2, 1.85, 0)
    new_object("post", lathe("post", [(0.02, 0.1), (0.018, 1.12)], 6), wood, (hook.x + 0.16, 0, bob))
    new_object("lamp", lantern, None, hook + Vector((0, 0, bob)), (1.25, 1.25, 1.25))
    new_object(
        "basket", lathe("basket", [(0.0, 0.1), (0.15, 0.1), (0.2, 0.32), (0.0, 0.3)]), wood, (0.55, 0.1, bob)
    )


def make_lanterns(mesh, phase, rng):
    """Some drift on the water, some rise: each on its own way, seeded, a function of the time."""
    for i in range(34):
        bearing, distance = rng.uniform(-1.0, 1.0), 3.0 + 20.0 * rng.random() ** 1.4
        x, y = math.sin(bearing) * distance, math.cos(bearing) * distance
        wave = 0.015 * math.sin(2 * math.pi * (phase + rng.random()))
        new_object(
            f"afloat{i}", mesh, None, (x + 0.25 * phase, y, 0.1 + wave), (0.85, 0.85, 0.85), rng.uniform(0, 3)
        )
    for i in range(20):
        bearing, distance = rng.uniform(-0.85, 0.95), rng.uniform(10, 34)
        x, y = math.sin(bearing) * distance, math.cos(bearing) * distance
        rise = rng.uniform(1.8, 10.5) + 0.9 * phase
        new_object(f"aloft{i}", mesh, None, (x + 0.3 * phase, y, rise), (1.3, 1.3, 1.6), rng.uniform(0, 3))


def make_birds(material, phase):
    for i in range(7):
        flap = 0.22 * math.sin(2 * math.pi * (phase * 4 + i * 0.37))
        wing = [(-0.55, -0.1, flap), (0, 0.12, 0), (0, -0.12, 0), (0.55, -0.1, flap)]
        bird = new_mesh("bird", wing, [(0, 1, 2), (1, 2, 3)], smooth=False)
        side = (i + 1) // 2 * (1 if i % 2 else -1)
        place = (-9 + 1.1 * abs(side) + 3 * phase, 30 + 1.2 * side, 12.2 - 0.35 * abs(side))
        new_object(f"bird{i}", bird, material, place)


# --- the picture ---------------------------------------------------------------------------------


def make_camera(scene, phase):
    """An arc around the raft, low over the water, drawing nearer and rising as it goes."""
    angle = math.radians(-34 + 52 * phase)
    distance, height = 9.2 - 1.3 * phase, 1.35 + 0.75 * phase
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.location = (math.sin(angle) * distance, -math.cos(angle) * distance, height)
    camera.data.lens, camera.data.clip_end = 27, 900
    aim = Vector((0.25, 0, 2.0 + 0.15 * phase)) - camera.location
    camera.rotation_euler = aim.to_track_quat("-Z", "Y").to_euler()
    scene.collection.objects.link(camera)
    scene.camera = camera


def make_scene(scene, shaders, phase):
    """The whole valley at `phase`, 0 to 1 through the animation, with the materials of shaders.py."""
    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    drift = (2.4 * phase, 0.9 * phase, 0.25 * phase)
    shaders.make_sky(scene)
    make_peaks(shaders.limestone(drift), random.Random(11))
    far = 700
    lake = [(-far, -far, 0), (far, -far, 0), (far, far, 0), (-far, far, 0)]
    new_object("water", new_mesh("water", lake, [(0, 1, 2, 3)]), shaders.water(drift))
    lantern = lathe(
        "lantern", [(0.0, 0.0), (0.07, 0.0), (0.12, 0.07), (0.125, 0.16), (0.09, 0.23), (0.0, 0.24)], 10
    )
    lantern.materials.append(shaders.paper_lantern(drift))
    wood = shaders.plain("wood", (0.30, 0.20, 0.10), drift)
    cloth = shaders.plain("cloth", (0.05, 0.06, 0.09), drift)
    make_raft(wood, cloth, lantern, shaders.RAFT_LANTERN, phase)
    make_lanterns(lantern, phase, random.Random(5))
    make_birds(cloth, phase)
    sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    sun.data.energy, sun.data.angle, sun.data.color = 6.5, 0.0, (1.0, 0.60, 0.28)
    sun.rotation_euler = shaders.SUN.to_track_quat("Z", "Y").to_euler()
    scene.collection.objects.link(sun)
    make_camera(scene, phase)


def add_glow(scene):
    """A soft halo around what is brighter than white: the sun and the lanterns."""
    if bpy.app.version >= (4, 4):
        return  # there the halo's settings are sockets; the picture does without it
    scene.use_nodes = True
    tree = scene.node_tree
    tree.nodes.clear()
    layers, done = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("CompositorNodeComposite")
    glare = tree.nodes.new("CompositorNodeGlare")
    glare.glare_type, glare.quality, glare.threshold, glare.size, glare.mix = "FOG_GLOW", "HIGH", 1.0, 7, 0.0
    tree.links.new(layers.outputs["Image"], glare.inputs[0])
    tree.links.new(glare.outputs[0], done.inputs[0])


def set_render(scene, options):
    render, cycles = scene.render, scene.cycles
    render.engine, cycles.device = "CYCLES", "CPU"
    render.resolution_x, render.resolution_y, render.resolution_percentage = (
        options.width,
        options.height,
        100,
    )
    cycles.samples, cycles.seed = options.samples, 0
    # Zero: keep every sun ray. Dropping the faint ones by chance speckles the mist.
    cycles.light_sampling_threshold = 0.0
    cycles.use_denoising, cycles.use_adaptive_sampling = False, False
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 2, 0, 2
    cycles.caustics_reflective = cycles.caustics_refractive = False
    scene.view_settings.view_transform, scene.view_settings.look = "Filmic", "High Contrast"
    scene.view_settings.exposure = 0.3
    render.image_settings.file_format, render.image_settings.color_mode = "PNG", "RGB"
    render.filepath = options.output


def import_shaders(path):
    """The second file of the scene. Blender's Python does not look beside a --python script itself."""
    sys.dont_write_bytecode = True  # inputs may lie in a shared cache: leave no __pycache__ there
    spec = importlib.util.spec_from_file_location("shaders", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parse_options(arguments):
    parser = argparse.ArgumentParser(prog="scene.py", description=__doc__.splitlines()[0])
    parser.add_argument("--frame", type=int, required=True, help="the frame to render, from 1")
    parser.add_argument("--frames", type=int, default=24, help="frames in the whole animation")
    parser.add_argument("--output", required=True, help="PNG file; #### becomes the frame number")
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "shaders.py")
    parser.add_argument("--shaders", default=beside, help="where shaders.py is; default: beside this file")
    parser.add_argument("--samples", type=int, default=8, help="Cycles samples a pixel")
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--height", type=int, default=180)
    options = parser.parse_args(arguments)
    options.output = os.path.abspath(options.output.replace("####", f"{options.frame:04d}"))
    return options


def main():
    after_dashes = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    options = parse_options(after_dashes)
    scene = bpy.context.scene
    shaders = import_shaders(options.shaders)
    status(5, f"Frame {options.frame}: building the scene")
    os.makedirs(os.path.dirname(options.output), exist_ok=True)
    make_scene(scene, shaders, (options.frame - 1) / options.frames)
    add_glow(scene)
    set_render(scene, options)
    scene.frame_set(options.frame)
    bpy.app.handlers.render_pre.append(lambda *_: status(25, f"Frame {options.frame}: rendering"))
    bpy.app.handlers.render_post.append(lambda *_: status(90, f"Frame {options.frame}: writing"))
    bpy.ops.render.render(write_still=True)
    status(100, f"Frame {options.frame}: done")


main()
