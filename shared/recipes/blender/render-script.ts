import { scenePathsScript } from './scene-paths-script.ts';

/**
 * What Blender runs: renders frames of the open scene, or waits on a pipe for frames to render.
 * An OpenJD format string resolves it, so it must hold no double braces.
 */
export const renderScript = String.raw`# Run by Blender, which has the scene open. Arguments after "--", each with a value:
#   --output PATH            where frames go; #### stands for the frame number
#   --frames 1-10:2,15       what to render; without it, --serve DIR waits for requests
#   --tile 3x2:2,1           only the tile in column 2, row 1 (from 0, top left) of 3 x 2;
#                            the name gets _r1_c2
#   --path-mapping FILE      path mapping rules: where paths of the scene are on this machine
#   --engine --samples --width --height --percentage --format --denoise   override the scene
import ctypes
import sys

${scenePathsScript}

def apply_path_mapping(file):
    """Leads every path that the scene names to where the rules say, if there is anything there."""
    rules = []
    if os.path.exists(file):
        with open(file, encoding="utf-8") as text:
            rules = json.load(text)["path_mapping_rules"]
    for reference, (_, _, missing) in move_libraries(rules):
        say_missing(reference, missing)
    for reference in list(references()):
        home = home_of(reference.block)
        place, files, missing = locate(reference, home, rules)
        if place is not None and not leads(reference.path, home, place):
            reference.move(place, files)
        if reference.needed:
            say_missing(reference, missing)


def say_missing(reference, missing):
    for path in missing:
        say("Not on this node: %s (%s %s)" % (path, reference.kind, reference.block.name))


def read_options(words):
    return {name[2:]: value for name, value in zip(words[::2], words[1::2])}


def frames_of(text):
    frames = []
    for part in text.split(","):
        first, last, step = re.fullmatch(r"(-?\d+)(?:-(-?\d+)(?::(\d+))?)?", part.strip()).groups()
        frames += range(int(first), int(last or first) + 1, int(step or 1))
    return frames


def path_of(pattern, frame):
    sign = "-" if frame < 0 else ""
    folder, name = os.path.split(pattern)
    number = lambda hashes: sign + str(abs(frame)).zfill(len(hashes.group()))
    return os.path.join(folder, re.sub("#+", number, name))


def apply_options(scene, options):
    render = scene.render
    if "engine" in options:
        set_engine(render, options["engine"])
    if "samples" in options:
        set_samples(scene, int(options["samples"]))
    if "denoise" in options and render.engine == "CYCLES":
        scene.cycles.use_denoising = options["denoise"] == "true"
    if "width" in options:
        render.resolution_x = int(options["width"])
    if "height" in options:
        render.resolution_y = int(options["height"])
    if "percentage" in options:
        render.resolution_percentage = int(options["percentage"])
    if "format" in options:
        render.image_settings.file_format = options["format"]
    # The name is given whole; Blender must not add to it.
    render.use_file_extension = False


def set_engine(render, engine):
    # EEVEE has had three names.
    names = ["BLENDER_EEVEE_NEXT", "BLENDER_EEVEE"] if engine == "EEVEE" else [engine]
    for name in names:
        try:
            render.engine = name
            return
        except TypeError:
            continue
    fail("this Blender has no engine " + engine)


def set_samples(scene, samples):
    if scene.render.engine == "CYCLES":
        scene.cycles.samples = samples
    elif scene.render.engine.startswith("BLENDER_EEVEE"):
        scene.eevee.taa_render_samples = samples


def tile_of(text):
    return tuple(map(int, re.fullmatch(r"(\d+)x(\d+):(\d+),(\d+)", text).groups()))


def set_tile(render, columns, rows, column, row):
    width = render.resolution_x * render.resolution_percentage // 100
    height = render.resolution_y * render.resolution_percentage // 100
    # Blender cuts fractions of a pixel off: a quarter more keeps rounding from losing a whole one.
    edge = lambda number, count, size: min(1.0, (number * size // count + 0.25) / size)
    render.border_min_x = 0 if column == 0 else edge(column, columns, width)
    render.border_max_x = edge(column + 1, columns, width)
    # Rows are counted from the top, as in images; Blender counts pixels from the bottom.
    render.border_min_y = 0 if row == rows - 1 else edge(rows - row - 1, rows, height)
    render.border_max_y = edge(rows - row, rows, height)
    render.use_border = True
    render.use_crop_to_border = True


def render_frame(scene, frame, output):
    path = path_of(output, frame)
    if os.path.dirname(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.exists(path):
        os.remove(path)
    scene.render.filepath = path
    scene.frame_set(frame)
    bpy.ops.render.render(write_still=True)
    # A picture that cannot be written is no error to Blender.
    if not os.path.exists(path) or os.path.getsize(path) == 0:
        fail("Blender wrote no " + path)


def render_frames(text, options):
    scene = bpy.context.scene
    frames = frames_of(text)
    output = options["output"]
    if "tile" in options:
        columns, rows, column, row = tile_of(options["tile"])
        set_tile(scene.render, columns, rows, column, row)
        stem, extension = os.path.splitext(output)
        output = "%s_r%d_c%d%s" % (stem, row, column, extension)
    if len(frames) > 1:
        # Who hears it takes Blender's own lines no longer for how far the task is.
        say("openjd_progress: 0")
    for done, frame in enumerate(frames):
        say("openjd_status: Frame %d, %d of %d" % (frame, done + 1, len(frames)))
        render_frame(scene, frame, output)
        say("openjd_progress: %d" % (100 * (done + 1) // len(frames)))


def say(line):
    print(line, flush=True)


def fail(message):
    say("openjd_fail: " + message)
    raise SystemExit(1)


def serve(folder, options):
    # Opened to write as well, so that it never ends between two clients.
    requests = os.fdopen(os.open(os.path.join(folder, "requests"), os.O_RDWR), "r+b", buffering=0)
    replies = os.open(os.path.join(folder, "replies"), os.O_WRONLY)
    reply = lambda line: os.write(replies, line.encode() + b"\n")
    idle = os.open(os.path.join(folder, "idle.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    speak_into(idle)
    reply("karst-ready")
    while True:
        token, out, *words = requests.readline().decode().split()
        task = os.open(os.path.join(folder, out), os.O_WRONLY | os.O_APPEND)
        speak_into(task)
        os.close(task)
        code = 1
        try:
            render_frames(words[0], dict(options, **read_options(words[1:])))
            code = 0
        except SystemExit:
            pass
        except Exception as error:
            say("openjd_fail: " + str(error).strip().replace("\n", " "))
        os.ftruncate(idle, 0)
        speak_into(idle)
        reply("karst-done %s %d" % (token, code))


def speak_into(descriptor):
    # What was said so far belongs to where it was said; Blender itself buffers apart from Python.
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).fflush(None)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


if not bpy.data.filepath:
    fail("Blender could not read the scene")

options = read_options(sys.argv[sys.argv.index("--") + 1 :])
if "path-mapping" in options:
    apply_path_mapping(options["path-mapping"])
apply_options(bpy.context.scene, options)
if "serve" in options:
    serve(options["serve"], options)
else:
    render_frames(options["frames"], options)
`;
