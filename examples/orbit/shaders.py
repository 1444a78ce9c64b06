"""The orbit scene's materials and sky, as formulas that scene.py applies.

Cycles samples nothing here but the sun's rays: sky light comes from the surface's normal, mist from
the ray's length and height, the lanterns' light from their distance. So there is no noise, and a
handful of samples a pixel is enough.
"""

import bpy
from mathutils import Vector

SUN = Vector((0.48, 1.0, 0.2)).normalized()
MIST_COOL = (0.115, 0.165, 0.26)
MIST_WARM = (1.25, 0.50, 0.15)
MIST_HEIGHT = 5.2
MIST_DENSITY = 0.019
LANTERN = (4.2, 1.15, 0.2)
RAFT_LANTERN = Vector((1.55, 0.0, 0.82))


# --- arithmetic: node trees written as formulas --------------------------------------------------


class Value:
    """One output of a shader node. Operators add the node that computes the result."""

    def __init__(self, graph, socket):
        self.graph, self.socket = graph, socket

    def __add__(self, other):
        return self.graph.math("ADD", self, other)

    def __sub__(self, other):
        return self.graph.math("SUBTRACT", self, other)

    def __rsub__(self, other):
        return self.graph.math("SUBTRACT", other, self)

    def __mul__(self, other):
        return self.graph.math("MULTIPLY", self, other)

    def __truediv__(self, other):
        return self.graph.math("DIVIDE", self, other)

    def __pow__(self, other):
        return self.graph.math("POWER", self, other)

    __radd__, __rmul__ = __add__, __mul__


class Graph:
    """A material's or a world's node tree, empty but for its output."""

    def __init__(self, owner, output):
        owner.use_nodes = True
        self.nodes, self.links = owner.node_tree.nodes, owner.node_tree.links
        self.nodes.clear()
        self.output = self.nodes.new(output)

    def node(self, kind, inputs=None, **properties):
        node = self.nodes.new(kind)
        for name, value in properties.items():
            setattr(node, name, value)
        for name, value in (inputs or {}).items():
            self.set(node.inputs[name], value)
        return node

    def set(self, socket, value):
        if isinstance(value, Value):
            self.links.new(value.socket, socket)
        elif isinstance(value, tuple) and socket.type == "RGBA":
            socket.default_value = (*value, 1.0)
        else:
            socket.default_value = value

    def out(self, node, name=0):
        return Value(self, node.outputs[name])

    def math(self, operation, a, b=0.0):
        return self.out(self.node("ShaderNodeMath", {0: a, 1: b}, operation=operation))

    def clamp(self, value):
        return self.out(self.node("ShaderNodeMath", {0: value, 1: 0.0}, operation="ADD", use_clamp=True))

    def exp(self, value):
        return self.math("EXPONENT", value)

    def mix(self, factor, a, b):
        node = self.node("ShaderNodeMixRGB", {"Fac": factor, "Color1": a, "Color2": b})
        return self.out(node)

    def scaled(self, color, factor):
        """A colour times a number that may exceed 1."""
        node = self.node("ShaderNodeVectorMath", {0: color}, operation="SCALE")
        self.set(node.inputs["Scale"], factor)
        return self.out(node)

    def times(self, a, b):
        return self.out(self.node("ShaderNodeVectorMath", {0: a, 1: b}, operation="MULTIPLY"))

    def dot(self, a, b):
        node = self.node("ShaderNodeVectorMath", {0: a, 1: b}, operation="DOT_PRODUCT")
        return self.out(node, "Value")

    def parts(self, vector):
        node = self.node("ShaderNodeSeparateXYZ", {0: vector})
        return self.out(node, "X"), self.out(node, "Y"), self.out(node, "Z")

    def noise(self, vector, scale, detail=2.0, stretch=(1.0, 1.0, 1.0)):
        mapped = self.times(vector, stretch)
        return self.out(self.node("ShaderNodeTexNoise", {"Vector": mapped, "Scale": scale, "Detail": detail}))

    def geometry(self, name):
        return self.out(self.node("ShaderNodeNewGeometry"), name)

    def emission(self, color, strength=1.0):
        return self.out(self.node("ShaderNodeEmission", {"Color": color, "Strength": strength}))

    def mixed(self, factor, a, b):
        return self.out(self.node("ShaderNodeMixShader", {0: factor, 1: a, 2: b}))

    def added(self, a, b):
        return self.out(self.node("ShaderNodeAddShader", {0: a, 1: b}))

    def surface(self, shader):
        self.links.new(shader.socket, self.output.inputs["Surface"])


# --- air and light -------------------------------------------------------------------------------


def air_color(graph, direction):
    """What the air itself looks like that way: cool, and gold towards the sun."""
    sunward = graph.clamp(graph.dot(direction, tuple(SUN)))
    glow = sunward**5.0 * 0.75 + sunward**40.0 * 0.6
    return graph.mix(graph.clamp(glow), MIST_COOL, MIST_WARM)


def in_mist(graph, shader, drift):
    """The shader seen through mist that thins out with height: the exact integral along the ray."""
    position, incoming = graph.geometry("Position"), graph.geometry("Incoming")
    length = graph.out(graph.node("ShaderNodeLightPath"), "Ray Length")
    _, _, z_far = graph.parts(position)
    _, _, rise = graph.parts(incoming)
    z_near = z_far + rise * length
    span = z_near - z_far
    low, high = graph.exp(z_far * (-1 / MIST_HEIGHT)), graph.exp(z_near * (-1 / MIST_HEIGHT))
    # A level ray stays in air of one density, and would divide by zero.
    level = graph.math("LESS_THAN", graph.math("ABSOLUTE", span), 0.03)
    mean = level * low + (1.0 - level) * (low - high) / (span + level) * MIST_HEIGHT
    depth = mean * length * MIST_DENSITY
    wisps = graph.noise(
        graph.out(graph.node("ShaderNodeVectorMath", {0: position, 1: drift})), 0.09, 1.0, (1, 1, 2.2)
    )
    thick = 1.0 - graph.exp(depth * (wisps * 2.6 - 0.25) * -1.0)
    away = graph.scaled(incoming, -1.0)
    return graph.mixed(graph.clamp(thick), shader, graph.emission(air_color(graph, away)))


def new_material(name):
    material = bpy.data.materials.new(name)
    # Otherwise every glowing or hazy triangle becomes a lamp to sample: noise and time for nothing.
    if hasattr(material.cycles, "emission_sampling"):  # since Blender 3.5
        material.cycles.emission_sampling = "NONE"
    else:
        material.cycles.sample_as_light = False
    return material, Graph(material, "ShaderNodeOutputMaterial")


def lit(graph, albedo, normal, occlusion=1.0):
    """Sunlight by ray tracing, sky light and the raft's lantern by formula."""
    _, _, up = graph.parts(normal)
    sky = graph.mix(graph.clamp(up * 0.5 + 0.5), (0.07, 0.06, 0.06), (0.20, 0.26, 0.40))
    to_lantern = graph.out(
        graph.node(
            "ShaderNodeVectorMath",
            {0: tuple(RAFT_LANTERN), 1: graph.geometry("Position")},
            operation="SUBTRACT",
        )
    )
    square = graph.dot(to_lantern, to_lantern) + 0.03
    facing = graph.clamp(graph.dot(normal, to_lantern) / graph.math("SQRT", square) * 0.8 + 0.2)
    glow = graph.scaled((1.0, 0.42, 0.12), facing / square * 1.1)
    fill = graph.out(graph.node("ShaderNodeVectorMath", {0: graph.scaled(sky, occlusion), 1: glow}))
    direct = graph.out(graph.node("ShaderNodeBsdfDiffuse", {"Color": albedo, "Normal": normal}))
    return graph.added(direct, graph.emission(graph.times(albedo, fill)))


# --- materials -----------------------------------------------------------------------------------


def limestone(drift):
    """Pale streaked rock on the walls, green on every ledge and top, dark in the clefts."""
    material, graph = new_material("limestone")
    local = graph.out(graph.node("ShaderNodeTexCoord"), "Object")
    cleft = graph.out(graph.node("ShaderNodeAttribute", attribute_name="cleft"), "Fac")
    streaks = graph.noise(local, 9.0, 2.0, (1, 1, 0.16))
    leaves = graph.noise(local, 11.0, 2.0)
    normal = graph.geometry("Normal")
    _, _, up = graph.parts(normal)
    rock = graph.mix(streaks, (0.13, 0.105, 0.085), (0.52, 0.45, 0.36))
    green = graph.mix(leaves, (0.018, 0.035, 0.012), (0.12, 0.17, 0.045))
    grown = graph.clamp((up + leaves * 0.9 - cleft * 0.45 - 0.52) * 6.0)
    albedo = graph.mix(grown, rock, green)
    dark = graph.clamp(1.0 - cleft * 0.85)
    graph.surface(in_mist(graph, lit(graph, graph.scaled(albedo, dark), normal, dark), drift))
    return material


def plain(name, color, drift):
    material, graph = new_material(name)
    albedo = graph.scaled(color, 1.0)
    graph.surface(in_mist(graph, lit(graph, albedo, graph.geometry("Normal")), drift))
    return material


def paper_lantern(drift):
    """Brightest low down, where the flame is, and dimmer at the rim."""
    material, graph = new_material("lantern")
    _, _, z = graph.parts(graph.out(graph.node("ShaderNodeTexCoord"), "Generated"))
    facing = graph.dot(graph.geometry("Normal"), graph.geometry("Incoming"))
    strength = (1.25 - z * 0.6) * (graph.clamp(facing) * 0.75 + 0.35)
    graph.surface(in_mist(graph, graph.emission(LANTERN, strength), drift))
    return material


def water(drift):
    """A near mirror with long ripples that flatten with distance, so they never shimmer."""
    material, graph = new_material("water")
    position = graph.geometry("Position")
    distance = graph.out(graph.node("ShaderNodeLightPath"), "Ray Length")
    moving = graph.out(
        graph.node("ShaderNodeVectorMath", {0: position, 1: (drift[0] * 0.4, drift[1] * 0.4, drift[2])})
    )
    ripples = graph.noise(moving, 1.1, 2.0, (0.55, 1.5, 1.0))
    calm = graph.exp(distance * -0.045)
    bump = graph.node("ShaderNodeBump", {"Distance": 0.11, "Height": ripples, "Strength": calm * 0.55})
    normal = graph.out(bump)
    fresnel = graph.out(graph.node("ShaderNodeFresnel", {"IOR": 1.45, "Normal": normal}))
    mirror = graph.out(
        graph.node("ShaderNodeBsdfGlossy", {"Color": (0.92, 0.95, 0.96), "Roughness": 0.0, "Normal": normal})
    )
    deep = graph.emission((0.012, 0.040, 0.045))
    graph.surface(in_mist(graph, graph.mixed(graph.clamp(fresnel * 1.1 + 0.14), deep, mirror), drift))
    return material


def make_sky(scene):
    graph = Graph(scene.world, "ShaderNodeOutputWorld")
    direction = graph.out(graph.node("ShaderNodeTexCoord"), "Generated")
    _, _, up = graph.parts(direction)
    height = graph.clamp(up)
    zenith = graph.mix(graph.clamp(height * 1.6), (0.27, 0.27, 0.36), (0.04, 0.085, 0.21))
    hazy = graph.mix(graph.exp(height * -5.5), zenith, air_color(graph, direction))
    sunward = graph.clamp(graph.dot(direction, tuple(SUN)))
    sun = graph.scaled(
        (1.0, 0.72, 0.38), graph.clamp((sunward - 0.99915) * 3500.0) * 5.0 + sunward**350.0 * 0.7
    )
    clouds = graph.noise(direction, 3.2, 4.0, (1.0, 1.0, 5.5))
    banks = graph.clamp((clouds - 0.52) * 4.0) * graph.clamp(height * 7.0) * 0.55
    sky = graph.mix(banks, hazy, graph.mix(sunward**3.0, (0.40, 0.32, 0.36), (1.5, 0.78, 0.42)))
    total = graph.out(graph.node("ShaderNodeVectorMath", {0: sky, 1: sun}))
    graph.surface(graph.out(graph.node("ShaderNodeBackground", {"Color": total})))
    # The sky is seen and mirrored, but lights nothing by sampling: lit() does that.
    scene.world.cycles_visibility.diffuse = False
    scene.world.cycles.sampling_method = "NONE"
