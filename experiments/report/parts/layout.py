"""Places of the nodes of a grid on a drawing, where the data have no coordinates.

The longest path from the root is a straight line. A lateral leaves it into the nearest free row above or
below, drawn as a right angle; laterals of laterals likewise. The same grid always has the same drawing.
"""

from __future__ import annotations

from collections.abc import Sequence

Edge = tuple[int, int]


def tree_layout(nodes: int, edges: Sequence[Edge], root: int) -> tuple[list[float], list[float], list[int]]:
    """Columns, rows, and the parent of each node (-1 for roots), of a drawing of a grid.

    Nodes are numbered from 0. Branches that close a loop do not count. Parts without a path to the root are
    drawn below it, each from its first node.
    """
    neighbours: list[list[int]] = [[] for _ in range(nodes)]
    for one, two in edges:
        if one != two:
            neighbours[one].append(two)
            neighbours[two].append(one)
    parent, order = [-2] * nodes, []
    x, y = [0] * nodes, [0] * nodes
    below = 0
    for start in [root, *range(nodes)]:
        if parent[start] != -2:
            continue
        order = _reached(start, neighbours, parent)
        children: dict[int, list[int]] = {node: [] for node in order}
        for node in order[1:]:
            children[parent[node]].append(node)
        rows = _placed(start, order, children, parent, x, y)
        shift = below - min(rows)
        for node in order:
            y[node] += shift
        below += max(rows) - min(rows) + 2
    return [float(v) for v in x], [float(v) for v in y], parent


def _reached(start: int, neighbours: Sequence[Sequence[int]], parent: list[int]) -> list[int]:
    """Nodes reached from `start`, nearest first; their parents are filled in."""
    order, parent[start] = [start], -1
    for node in order:  # it grows meanwhile
        for other in sorted(set(neighbours[node])):
            if parent[other] == -2:
                parent[other] = node
                order.append(other)
    return order


def _placed(
    start: int,
    order: Sequence[int],
    children: dict[int, list[int]],
    parent: Sequence[int],
    x: list[int],
    y: list[int],
) -> set[int]:
    """Fill in the places of one connected part, its root at row 0; returns the rows used."""
    depth = dict.fromkeys(order, 0)
    for node in reversed(order[1:]):
        depth[parent[node]] = max(depth[parent[node]], depth[node] + 1)
    taken: set[tuple[int, int]] = set()
    rows, waiting = {0}, [(start, 0, 0)]
    while waiting:
        head, column, row = waiting.pop(0)
        path = [head]
        while children[path[-1]]:
            path.append(max(children[path[-1]], key=lambda node: (depth[node], -node)))
        length = len(path)
        if parent[head] >= 0:
            row = _free_row(taken, column, length, y[parent[head]])
            step = 1 if row > y[parent[head]] else -1
            taken |= {(r, column - 1) for r in range(y[parent[head]] + step, row + step, step)}
        rows.add(row)
        for k, node in enumerate(path):
            x[node], y[node] = column + k, row
            taken.add((row, column + k))
        laterals = [
            (child, x[node] + 1, row) for node in path for child in children[node] if child not in path
        ]
        waiting += sorted(laterals, key=lambda part: (-part[1], -depth[part[0]], part[0]))
    return rows


def _free_row(taken: set[tuple[int, int]], column: int, length: int, origin: int) -> int:
    """The nearest row in which a lateral and the way to it cross nothing; else the nearest free row."""
    nearest = 0
    for distance in range(1, 10_000):
        for row in (origin + distance, origin - distance):
            if any((row, column - 1 + k) in taken for k in range(length + 1)):
                continue
            step = 1 if row > origin else -1
            if not any((r, column - 1) in taken for r in range(origin + step, row, step)):
                return row
            nearest = nearest or row
        if nearest and distance > 60:
            break
    return nearest
