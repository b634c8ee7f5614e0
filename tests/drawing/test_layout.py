"""Places of boxes: none overlaps another, frames hold what is theirs, and edges touch their own boxes alone."""

from __future__ import annotations

import random
from itertools import combinations, pairwise

import pytest

from drawing._pictured import MODELS
from kerastorch.drawing._order import ranks_of
from kerastorch.drawing.diagram import Box, Diagram, Edge, Group, Row
from kerastorch.drawing.layout import Path, Placed, Rect, lay_out
from kerastorch.drawing.reading import Shown, read
from kerastorch.drawing.svg import size_of


def placed(diagram: Diagram, beside: bool = False) -> Placed:
    return lay_out(diagram, size_of, lambda group: 9.0 * len(group.title), beside)


def overlap(a: Rect, b: Rect) -> bool:
    across = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    return across > 0.01 and min(a.y + a.height, b.y + b.height) - max(a.y, b.y) > 0.01


def inside(a: Rect, b: Rect) -> bool:
    right, low = a.x + a.width <= b.x + b.width + 0.01, a.y + a.height <= b.y + b.height + 0.01
    return right and low and a.x >= b.x - 0.01 and a.y >= b.y - 0.01


def along(path: Path) -> list[tuple[float, float]]:
    """Points of a path; where it bends, those of its curve."""
    found = []
    for number, ((a, b), (c, d)) in enumerate(zip(path.points, path.points[1:], strict=False)):
        for part in range(13):
            t = part / 12
            if number % 2:  # a cubic curve, upright at both ends
                x = a * (1 - t) ** 3 + 3 * a * t * (1 - t) ** 2 + 3 * c * t**2 * (1 - t) + c * t**3
                middle = (b + d) / 2
                y = b * (1 - t) ** 3 + 3 * middle * t * (1 - t) ** 2 + 3 * middle * t**2 * (1 - t) + d * t**3
                found.append((x, y))
            else:
                found.append((a + (c - a) * t, b + (d - b) * t))
    return found


def faults(diagram: Diagram, made: Placed) -> list[str]:
    boxes, groups = made.boxes, made.groups
    found = [f"{a} and {b} overlap" for a, b in combinations(boxes, 2) if overlap(boxes[a], boxes[b])]
    page = Rect(0.0, 0.0, made.width, made.height)
    found += [f"{key} leaves the page" for key, rect in (boxes | groups).items() if not inside(rect, page)]
    for group in diagram.root.groups():
        own = {box.key for box in group.boxes()} | {other.key for other in group.groups()}
        around = {other.key for other in diagram.root.groups() if group in list(other.groups())}
        for key, rect in (boxes | groups).items():
            if key in own and not inside(rect, groups[group.key]):
                found.append(f"{key} is not inside {group.key}")
            if key not in own | around | {group.key} and overlap(rect, groups[group.key]):
                found.append(f"{key} overlaps {group.key}")
    for path in made.paths:
        assert all(b <= d + 0.01 for (_, b), (_, d) in zip(path.points, path.points[1:], strict=False))
        for key, rect in boxes.items():
            middle = Rect(rect.x + 0.5, rect.y + 0.5, rect.width - 1, rect.height - 1)
            if any(overlap(Rect(x - 0.1, y - 0.1, 0.2, 0.2), middle) for x, y in along(path)):
                found.append(f"an edge from {path.edge.source} to {path.edge.target} crosses {key}")
    drawn = {path.edge for path in made.paths} | {edge for edge, _ in made.loops}
    found += [f"{edge} is not drawn" for edge in diagram.edges if edge.kind != "order" and edge not in drawn]
    return found


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_models(name: str, beside: bool) -> None:
    diagram = read(MODELS[name](), Shown(dtype=True, activations=True))
    assert faults(diagram, placed(diagram, beside)) == []


@pytest.mark.parametrize("seed", range(30))
def test_diagrams_of_every_form(seed: int) -> None:
    """Boxes of many sizes in frames in frames, with edges between any two of them, circles and loops among them."""
    chance = random.Random(seed)
    root = Group("g0", "root", "Model")
    groups, keys = [root], []
    for number in range(chance.randint(1, 6)):
        group = Group(f"g{number + 1}", "inside" * chance.randint(1, 9), "Model")
        chance.choice(groups).items.append(group)
        groups.append(group)
    for number in range(chance.randint(7, 24)):
        rows = tuple(Row("in", "x" * chance.randint(1, 40)) for _ in range(chance.randint(0, 5)))
        owner = groups[number] if number < len(groups) else chance.choice(groups)
        owner.items.append(Box(f"n{number}", "n" * chance.randint(1, 20), "Dense", "other", rows))
        keys.append(f"n{number}")
    edges = {Edge(chance.choice(keys), chance.choice(keys), chance.choice(("data", "state"))) for _ in range(30)}
    diagram = Diagram(root, tuple(sorted(edges, key=str)))
    assert faults(diagram, placed(diagram, seed % 2 == 1)) == []


def test_a_fault_is_seen() -> None:
    diagram = read(MODELS["nested"](), Shown())
    made = placed(diagram)
    first = made.boxes["n0"]
    (moved, *_) = [box.key for box in next(diagram.root.groups()).boxes()]
    made.boxes[moved] = Rect(first.x + 5, first.y, 10, 10)
    found = faults(diagram, made)
    assert f"n0 and {moved} overlap" in found
    assert f"{moved} is not inside g1" in found
    side = next(box.key for box in diagram.root.boxes() if box.name == "side")
    path = next(path for path in made.paths if path.edge.source == side)
    path.points = [(first.x + 5, first.y - 9), (first.x + 5, first.y + 9)]
    assert f"an edge from {side} to {path.edge.target} crosses n0" in faults(diagram, made)


def test_ranks() -> None:
    names = ["a", "b", "c", "d", "late"]
    pairs = [("a", "b"), ("b", "c"), ("c", "d"), ("a", "d"), ("late", "d"), ("c", "b")]
    assert ranks_of(names, pairs) == {"a": 0, "b": 1, "c": 2, "d": 3, "late": 2}


def test_a_long_model_takes_little_time() -> None:
    keys = [f"n{number}" for number in range(600)]
    root = Group("g0", "long", "Model", [Box(key, key, "Dense", "other", ()) for key in keys])
    edges = [Edge(a, b, "data") for a, b in pairwise(keys)]
    made = placed(Diagram(root, tuple(edges)))
    assert [made.boxes[key].y for key in keys] == sorted(made.boxes[key].y for key in keys)
