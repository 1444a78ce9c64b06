# Makes the scene that the Blender recipes here render: a cube that turns on a plane, 24 frames.
#   blender -b --factory-startup -noaudio --python-exit-code 1 --python make-scene.py -- cube.blend
import os
import sys

import bpy

scene = bpy.context.scene
bpy.ops.mesh.primitive_plane_add(size=10, location=(0, 0, -1))
cube = bpy.data.objects["Cube"]
for frame, turn in ((1, (0, 0, 0)), (24, (1, 2, 3))):
    cube.rotation_euler = turn
    cube.keyframe_insert("rotation_euler", frame=frame)
scene.frame_end = 24
scene.render.engine = "CYCLES"
scene.cycles.samples = 2
# Debian's Blender has no denoiser.
scene.cycles.use_denoising = False
# Dithering is a pattern over the picture that is rendered, so tiles would differ from the whole.
scene.render.dither_intensity = 0
scene.render.resolution_x, scene.render.resolution_y = 96, 54
scene.render.resolution_percentage = 100
bpy.ops.wm.save_as_mainfile(filepath=os.path.abspath(sys.argv[sys.argv.index("--") + 1]))
