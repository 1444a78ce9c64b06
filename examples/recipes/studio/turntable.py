# blender MODEL --python turntable.py -- FRAME SAMPLES FOLDER: one picture of the model, turned.
import math
import os
import sys

import bpy

frame, samples, folder = sys.argv[sys.argv.index("--") + 1 :]
scene = bpy.context.scene
pivot = bpy.data.objects.new("Pivot", None)
scene.collection.objects.link(pivot)
scene.camera.parent = pivot
pivot.rotation_euler.z = math.radians(10 * (int(frame) - 1))
if scene.render.engine == "CYCLES":
    scene.cycles.samples = int(samples)
scene.render.image_settings.file_format = "PNG"
scene.render.filepath = os.path.join(folder, "turn_%04d.png" % int(frame))
bpy.ops.render.render(write_still=True)
