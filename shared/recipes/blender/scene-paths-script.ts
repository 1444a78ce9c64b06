/**
 * Python for Blender 3.x and 4.x, the beginning of the script that scans a scene and of the one that
 * renders it: what files outside the .blend the open scene names, and where they are on this machine.
 * An OpenJD format string resolves it, so it must hold no double braces.
 */
export const scenePathsScript = String.raw`import functools
import json
import os
import re
import unicodedata

import bpy


class Reference:
    """A path that a data-block of the scene holds: in a field, or for the strip of a sequence in two."""

    def __init__(self, kind, block, holder, field, pattern="file", needed=True, names=None):
        self.kind, self.block, self.holder, self.field = kind, block, holder, field
        # file; udim and sequence: many files of one pattern; directory; list: names in a directory.
        self.pattern, self.needed, self.names = pattern, needed, names
        # A cache beside the .blend file has its place by rule and no field.
        self.path = holder if field is None else getattr(holder, field)
        # The tiles that a picture has.
        self.tiles = []

    def move(self, place, files):
        """Has the scene use another place; files as files_at tells them."""
        if self.kind == "font":
            self.holder.user_remap(bpy.data.fonts.load(place))
        elif self.kind == "image" and not self.holder.has_data:
            # Nothing of it is read yet. The other field would look through all materials each time:
            # 40 s for 5,000 pictures.
            self.holder.filepath_raw = place
        elif self.field is not None:
            setattr(self.holder, self.field, place)
        if self.names is not None and len(files) == len(self.names):
            for element, file in zip(self.holder.elements, files):
                element.filename = os.path.basename(file)


def home_of(block):
    """The .blend file that says what a data-block is: relative paths start there."""
    library = block.library
    if library is None:
        return bpy.data.filepath
    return os.path.normpath(bpy.path.abspath(library.filepath))


def references():
    """Every file outside the scene that it names but its libraries; what is packed is left out."""
    return (reference for reference in all_references() if reference.path)


def all_references():
    for image in bpy.data.images:
        pattern = {"FILE": "file", "MOVIE": "file", "SEQUENCE": "sequence", "TILED": "udim"}
        packed = image.packed_file is not None or len(getattr(image, "packed_files", ())) > 0
        if image.source in pattern and not packed:
            used = image.users > int(image.use_fake_user)
            found = Reference("image", image, image, "filepath", pattern[image.source], used)
            found.tiles = [tile.number for tile in image.tiles] if image.source == "TILED" else []
            yield found
    for sound in bpy.data.sounds:
        if sound.packed_file is None:
            yield Reference("sound", sound, sound, "filepath")
    for clip in bpy.data.movieclips:
        # Of a clip that is not there Blender no longer knows that it was a sequence.
        extension = os.path.splitext(clip.filepath)[1].lower()
        pattern = "sequence" if extension in bpy.path.extensions_image else "file"
        yield Reference("movie clip", clip, clip, "filepath", pattern)
    for font in bpy.data.fonts:
        if font.packed_file is None and font.filepath != "<builtin>":
            yield Reference("font", font, font, "filepath")
    for volume in bpy.data.volumes:
        if volume.packed_file is None:
            pattern = "sequence" if volume.is_sequence else "file"
            yield Reference("volume", volume, volume, "filepath", pattern)
    for cache in bpy.data.cache_files:
        pattern = "sequence" if cache.is_sequence else "file"
        yield Reference("cache file", cache, cache, "filepath", pattern)
        for layer in getattr(cache, "layers", ()):
            yield Reference("cache file", cache, layer, "filepath")
    # The scene keeps a copy of a text: it does without the file.
    for text in bpy.data.texts:
        if text.filepath and not text.is_in_memory:
            yield Reference("text", text, text, "filepath", needed=False)
    for block in bpy.data.objects:
        yield from caches_of(block)
    for scene in bpy.data.scenes:
        world = scene.rigidbody_world
        if world is not None and world.point_cache is not None:
            yield from point_cache(scene, world.point_cache)
        yield from strips_of(scene)
    yield from node_files()


def caches_of(block):
    for modifier in block.modifiers:
        if modifier.type == "FLUID" and modifier.fluid_type == "DOMAIN":
            domain = modifier.domain_settings
            baked = domain.has_cache_baked_any
            yield Reference("fluid cache", block, domain, "cache_directory", "directory", baked)
        elif modifier.type == "OCEAN":
            baked = modifier.is_cached
            yield Reference("ocean cache", block, modifier, "filepath", "directory", baked)
        elif modifier.type == "MESH_CACHE":
            yield Reference("mesh cache", block, modifier, "filepath")
        elif modifier.type == "MULTIRES" and modifier.is_external:
            yield Reference("multires", block, modifier, "filepath")
        elif modifier.type in ("CLOTH", "SOFT_BODY"):
            yield from point_cache(block, modifier.point_cache)
        elif modifier.type == "DYNAMIC_PAINT" and modifier.canvas_settings is not None:
            for surface in modifier.canvas_settings.canvas_surfaces:
                yield from point_cache(block, surface.point_cache)
        elif modifier.type == "NODES":
            # Its name changed; it is set once something was baked.
            for field in ("bake_directory", "simulation_bake_directory"):
                if getattr(modifier, field, ""):
                    yield Reference("bake", block, modifier, field, "directory", False)
            for bake in getattr(modifier, "bakes", ()):
                if bake.use_custom_path:
                    yield Reference("bake", block, bake, "directory", "directory", False)
    for system in block.particle_systems:
        yield from point_cache(block, system.point_cache)


def point_cache(block, cache):
    if cache is None:
        return
    if cache.use_external:
        yield Reference("point cache", block, cache, "filepath", "directory")
    elif cache.use_disk_cache:
        home = home_of(block) if cache.use_library_path else bpy.data.filepath
        folder = "//blendcache_" + os.path.splitext(os.path.basename(home))[0]
        yield Reference("point cache", block, folder, None, "directory", cache.is_baked)


def strips_of(scene):
    editor = scene.sequence_editor
    if editor is None:
        return
    # Blender 4.4 gave it another name.
    strips = getattr(editor, "strips_all", None)
    for strip in editor.sequences_all if strips is None else strips:
        if strip.type == "IMAGE":
            names = [element.filename for element in strip.elements]
            yield Reference("strip", scene, strip, "directory", "list", names=names)
        elif strip.type == "MOVIE":
            yield Reference("strip", scene, strip, "filepath")


def node_files():
    owners = [bpy.data.materials, bpy.data.worlds, bpy.data.lights, bpy.data.linestyles]
    trees = [(block, block.node_tree) for blocks in owners for block in blocks]
    for block, tree in trees + [(group, group) for group in bpy.data.node_groups]:
        for node in tree.nodes if tree is not None else ():
            if node.bl_idname in ("ShaderNodeScript", "ShaderNodeTexIES"):
                if node.mode == "EXTERNAL":
                    kind = "script" if node.bl_idname == "ShaderNodeScript" else "light profile"
                    yield Reference(kind, block, node, "filepath")


def is_windows(path):
    return re.match(r"[A-Za-z]:[\\/]|\\\\", path) is not None


def is_essential(path):
    """Whether it is of the assets that every Blender brings itself."""
    return re.search(r"[\\/]datafiles[\\/]assets[\\/]", path) is not None


def absolute(path, home):
    """The path without the // and .. it may begin with; home is the .blend file that has it."""
    # Saved on another system, "Z:\show" became relative to the .blend file.
    strayed = re.fullmatch(r"//(?:\.\.[\\/])*([A-Za-z]:[\\/].*|\\\\.*)", path)
    if strayed is not None and os.sep == "/":
        return strayed.group(1)
    if is_windows(path) or (path.startswith("/") and not path.startswith("//")):
        return path
    relative = path[2:] if path.startswith("//") else path
    return os.path.normpath(os.path.join(os.path.dirname(home), relative.replace("\\", "/")))


def leads(path, home, place):
    """Whether Blender itself finds a place by the path; one without // starts where Blender does."""
    return path.startswith("/") and absolute(path, home) == place


def mapped(path, rules):
    """Where path mapping rules lead, the longest source first; None where none applies."""
    for rule in sorted(rules, key=lambda rule: -len(rule["source_path"])):
        windows = rule["source_path_format"] == "WINDOWS"
        if windows != is_windows(path):
            continue
        split = lambda text: [part for part in re.split(r"[\\/]+" if windows else "/+", text) if part]
        fold = lambda parts: [part.lower() for part in parts] if windows else parts
        source, parts = split(rule["source_path"]), split(path)
        if fold(parts[: len(source)]) == fold(source):
            return os.path.normpath(os.path.join(rule["destination_path"], *parts[len(source) :]))
    return None


@functools.lru_cache(maxsize=4096)
def names_in(folder):
    """The names in a folder, in order; none where it can't be read."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


@functools.lru_cache(maxsize=4096)
def alike_in(folder):
    return dict((plain(name), name) for name in names_in(folder))


def plain(name):
    """Equal for names that Windows or a Mac takes for the same: by case, by how accents are written."""
    return unicodedata.normalize("NFC", name).casefold()


def find(path):
    """The file or directory of that name, else one that Windows or a Mac takes for it, else None."""
    if os.path.lexists(path):
        return path
    folder, name = os.path.split(path)
    inside = find(folder) if name and folder != path else None
    other = alike_in(inside).get(plain(name)) if inside is not None else None
    return None if other is None else os.path.join(inside, other)


def find_file(path):
    place = find(path)
    return place if place is not None and os.path.isfile(place) else None


def files_at(reference, path):
    """What of a reference is there: its place as found (or None), the files, and those missing."""
    folder, name = os.path.split(path)
    if reference.pattern == "directory":
        place = find(path)
        files = [os.path.join(at, each) for at, _, names in os.walk(place or "") for each in names]
        return place, sorted(files), [] if files else [path]
    if reference.pattern == "list":
        found = [(name, find_file(os.path.join(path, name))) for name in reference.names]
        files = [file for _, file in found if file is not None]
        missing = [os.path.join(path, name) for name, file in found if file is None]
        return os.path.dirname(files[0]) if files else None, files, missing
    if reference.pattern == "udim" and ("<UDIM>" in name or "<UVTILE>" in name):
        found = [(tile, find_file(os.path.join(folder, tile_name(name, tile)))) for tile in reference.tiles]
        files = [file for _, file in found if file is not None]
        missing = [os.path.join(folder, tile_name(name, tile)) for tile, file in found if file is None]
        return os.path.join(find(folder), name) if files else None, files, missing
    if reference.pattern == "sequence":
        inside, (head, digits, tail) = find(folder), numbered(name)
        if inside is not None and digits:
            name_of = re.compile(re.escape(head) + r"\d+" + re.escape(tail))
            files = [os.path.join(inside, each) for each in names_in(inside) if name_of.fullmatch(each)]
            if files:
                return os.path.join(inside, name), files, []
    place = find_file(path)
    return (place, [place], []) if place is not None else (None, [], [path])


def tile_name(name, tile):
    u, v = (tile - 1001) % 10 + 1, (tile - 1001) // 10 + 1
    return name.replace("<UDIM>", str(tile)).replace("<UVTILE>", "u%d_v%d" % (u, v))


def numbered(name):
    stem, extension = os.path.splitext(name)
    match = re.fullmatch(r"(.*?)(\d+)(\D*)", stem)
    return ("", "", "") if match is None else (match[1], match[2], match[3] + extension)


def locate(reference, home, rules):
    """As files_at; a place that the rules lead to goes before the path itself."""
    path = absolute(reference.path, home)
    there = mapped(path, rules)
    place, files, missing = files_at(reference, there or path)
    if there is not None and place is None and there != path:
        other = files_at(reference, path)
        if other[0] is not None:
            return other
    return place, files, missing


def move_libraries(rules):
    """Loads libraries from where the rules lead; answers all, by how the scene has them."""
    seen = dict()
    while True:
        for library in bpy.data.libraries:
            packed = library.packed_file is not None or getattr(library, "is_archive", False)
            if library.filepath in seen or packed or is_essential(library.filepath):
                continue
            reference = Reference("library", library, library, "filepath")
            # Blender tells the paths of nested ones from the scene on.
            located = locate(reference, bpy.data.filepath, rules)
            seen[reference.path] = reference, located
            place = located[0]
            if place is not None and not leads(reference.path, bpy.data.filepath, place):
                seen[place] = None
                library.filepath = place
                library.reload()
                break
        else:
            return [found for found in seen.values() if found is not None]
`;
