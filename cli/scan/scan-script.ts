import { scenePathsScript } from '@karst/shared/recipes/blender/scene-paths-script.ts';

/** How a line begins that is ours and not Blender's own. */
export const REPORT_MARK = 'karst-scan ';

/**
 * What Blender runs to scan scenes. Its one argument names a JSON file `{scenes, rules}`: .blend files
 * to open, and OpenJD's path mapping rules to this machine. Says one line a scene, see scene-report.ts.
 */
export const scanScript = String.raw`import sys

${scenePathsScript}

USERS_MAX = 20
OF_OTHERS = ("image", "sound", "movie clip", "font", "volume", "cache file", "text")


def scan(rules):
    moved = [(reference, bpy.data.filepath, located) for reference, located in move_libraries(rules)]
    found = [(each, home_of(each.block)) for each in references()]
    users = bpy.data.user_map(subset=set(each.block for each, _ in found)) if found else dict()
    files = dict()
    for reference, home, located in moved:
        report(files, reference, home, located, library_users(reference.block))
    for reference, home in found:
        located = locate(reference, home, rules)
        used = users.get(reference.block) if reference.kind in OF_OTHERS else None
        report(files, reference, home, located, used or [reference.block])
    for reference in others(found, [each.path for each, _, _ in moved]):
        report(files, reference, bpy.data.filepath, locate(reference, bpy.data.filepath, rules), [])
    return sorted(files.values(), key=lambda file: (file["kind"], file["path"], file["blend"]))


def others(found, libraries):
    """What Blender itself tells of beside: of kinds that are not known here. They may be missing."""
    single = lambda path: path[:2] + re.sub(r"[\\/]+", "/", path[2:])
    known = set(block.filepath for blocks in (bpy.data.images, bpy.data.texts) for block in blocks)
    known.update(libraries, [library.filepath for library in bpy.data.libraries])
    for reference, _ in found:
        known.update(reference.path + name for name in reference.names or [""])
    known = set(single(path) for path in known)
    for path in bpy.utils.blend_paths(absolute=False, packed=False, local=True):
        if path and single(path) not in known and not is_essential(path):
            yield Reference("other", None, path, None, needed=False)


def library_users(library):
    return [library.parent] if library.parent is not None else library.users_id


def report(files, reference, home, located, users):
    place, found, missing = located
    if not found and not reference.needed:
        return
    path = reference.path + (reference.names or [""])[0]
    key = (reference.kind, reference.path, tuple(reference.names or ()), home)
    file = files.setdefault(key, dict(
        kind=reference.kind,
        path=path,
        pattern=reference.pattern,
        blend=home,
        source=absolute(path, home),
        found=place,
        usedBy=[],
        files=found,
        missing=missing,
    ))
    names = set(user.bl_rna.identifier + " " + user.name for user in users)
    file["usedBy"] = sorted(names.union(file["usedBy"]))[:USERS_MAX]


def open_scene(file):
    """What went wrong, or None. A library that is missing is an error to Blender; the scene is open."""
    try:
        bpy.ops.wm.open_mainfile(filepath=file, load_ui=False, use_scripts=False)
    except RuntimeError as error:
        if bpy.data.filepath != file:
            return str(error).strip()
    return None


with open(sys.argv[sys.argv.index("--") + 1], encoding="utf-8") as text:
    request = json.load(text)
for scene in request["scenes"]:
    problem = open_scene(scene)
    told = dict(problem=problem) if problem else dict(files=scan(request["rules"]))
    line = json.dumps(dict(told, scene=scene, blender=bpy.app.version_string))
    # Blender may have left a line open.
    print("\n${REPORT_MARK}" + line, flush=True)
`;
