"""Noisy little pictures of digits, drawn from a seed: shifted, slanted, thick or thin, speckled."""

import math
import random

SIZE = 16
PIXELS = SIZE * SIZE

# Strokes in a box 4 wide and 6 high, y downwards: what a hand would write.
STROKES = {
    0: [[(1, 0), (3, 0), (4, 1), (4, 5), (3, 6), (1, 6), (0, 5), (0, 1), (1, 0)]],
    1: [[(1, 1), (2, 0), (2, 6)], [(1, 6), (3, 6)]],
    2: [[(0, 1), (1, 0), (3, 0), (4, 1), (4, 2), (0, 6), (4, 6)]],
    3: [[(0, 0), (4, 0), (2, 2.4), (4, 3.6), (4, 5), (3, 6), (1, 6), (0, 5)]],
    4: [[(3, 6), (3, 0), (0, 4), (4, 4)]],
    5: [[(4, 0), (0, 0), (0, 2.6), (3, 2.6), (4, 3.6), (4, 5), (3, 6), (0, 6)]],
    6: [[(3.5, 0), (1, 1.5), (0, 3.5), (0, 5), (1, 6), (3, 6), (4, 5), (4, 4), (3, 3), (0, 3.5)]],
    7: [[(0, 0), (4, 0), (1.5, 6)]],
    8: [[(1, 0), (3, 0), (4, 1.5), (0, 4.5), (1, 6), (3, 6), (4, 4.5), (0, 1.5), (1, 0)]],
    9: [[(4, 2.5), (1, 3), (0, 2), (0, 1), (1, 0), (3, 0), (4, 1), (4, 3), (3, 6)]],
}


def draw(count, seed, rare=()):
    """`count` pictures as (rows of PIXELS floats, labels). Digits in `rare` come a sixth as often."""
    rng = random.Random(seed)
    weights = [1 if digit in rare else 6 for digit in range(10)]
    labels = rng.choices(range(10), weights, k=count)
    return [draw_one(label, rng) for label in labels], labels


def draw_one(digit, rng):
    """One picture: ink about 1 on paper about 0, SIZE rows of SIZE."""
    width, height = rng.uniform(1.5, 2.2), rng.uniform(1.5, 1.95)
    slant, turn = rng.uniform(-0.3, 0.3), rng.uniform(-0.2, 0.2)
    left, top = SIZE / 2 + rng.uniform(-1.5, 1.5), SIZE / 2 + rng.uniform(-1.2, 1.2)
    ink = [0.0] * PIXELS
    radius = rng.uniform(0.55, 0.95)
    for stroke in STROKES[digit]:
        points = []
        for x, y in stroke:
            x, y = (x - 2 + rng.uniform(-0.2, 0.2)) * width, (y - 3 + rng.uniform(-0.2, 0.2)) * height
            x -= slant * y
            cos, sin = math.cos(turn), math.sin(turn)
            points.append((left + x * cos - y * sin, top + x * sin + y * cos))
        for start, end in zip(points, points[1:]):
            draw_line(ink, start, end, radius)
    return [value + rng.gauss(0, 0.22) for value in ink]


def draw_line(ink, start, end, radius):
    (x0, y0), (x1, y1) = start, end
    steps = max(1, int(math.hypot(x1 - x0, y1 - y0) * 1.5))
    for step in range(steps + 1):
        x, y = x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps
        for row in range(max(0, int(y - 1.95)), min(SIZE, int(y + 1.95))):
            for column in range(max(0, int(x - 1.95)), min(SIZE, int(x + 1.95))):
                near = radius + 0.5 - math.hypot(column + 0.5 - x, row + 0.5 - y)
                at = row * SIZE + column
                ink[at] = max(ink[at], min(1.0, near))
