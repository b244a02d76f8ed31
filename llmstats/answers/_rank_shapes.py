"""What ranks that are slow together have in common: a node, a row of neighbours, the same place in each group."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

#: Beyond this chance a row of neighbours is no shape, however it looks.
_CHANCE = 0.05


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the ranks of a run stand."""

    ranks: tuple[int, ...]  #: that logged, ascending
    per_node: int | None  #: ranks of a node; None where nobody said
    parallelism: str | None = None

    def size(self, kind: str) -> int | None:
        """Degree of a parallelism (``tp``, ``pp`` …) as the run names it."""
        match = re.search(rf"(?<![a-z]){kind}[=_]?(\d+)", (self.parallelism or "").lower())
        return int(match[1]) if match else None


def shape(ranks: Sequence[int], layout: Layout, by_chance: float = 0) -> str:
    """A name for a set of ranks (ascending).

    Args:
        ranks: those that were slow together.
        layout: of the run.
        by_chance: in how many independent cases so many ranks were slow together: a shape that random ranks would
            show in one of them in more than a twentieth of runs is none.
    """
    if len(ranks) == 1:
        return "one rank"
    nodes = _nodes(ranks, layout)
    if nodes:
        return f"node {nodes[0]}" if len(nodes) == 1 else f"nodes {spans(nodes)}"
    stride = _stride(ranks)
    if stride is None or by_chance * _share(len(ranks), len(layout.ranks), stride) > _CHANCE:
        return "several ranks"
    return "contiguous" if stride == 1 else f"every {_ordinal(stride)}"


def _nodes(ranks: Sequence[int], layout: Layout) -> list[int]:
    """The nodes that exactly these ranks make up; none where a node holds but one rank, or all do."""
    per = layout.per_node
    if not per or per < 2 or len(ranks) == len(layout.ranks):
        return []
    nodes = sorted({rank // per for rank in ranks})
    whole = [rank for rank in layout.ranks if rank // per in nodes]
    return nodes if list(ranks) == whole else []


def _stride(ranks: Sequence[int]) -> int | None:
    """Distance from rank to rank; None where it changes, or where two that are no neighbours have nothing to repeat."""
    gaps = {b - a for a, b in itertools.pairwise(ranks)}
    if len(gaps) != 1 or (gaps != {1} and len(ranks) < 3):
        return None
    return gaps.pop()


def _share(size: int, ranks: int, stride: int) -> float:
    """Share of the sets of so many ranks that stand in a row (``stride`` 1) or at any equal distance beyond 1."""
    rows = [max(0, ranks - (size - 1) * s) for s in ([1] if stride == 1 else range(2, ranks))]
    return sum(rows) / math.comb(ranks, size)


def meaning(name: str, ranks: Sequence[int], layout: Layout) -> str | None:
    """What a shape may stand for, by the parallel layout that the run states."""
    tp, pp, world = layout.size("tp"), layout.size("pp"), len(layout.ranks)
    stage = world // pp if pp and pp > 1 and world % pp == 0 else None
    if name != "contiguous" and not name.startswith(("every", "node")):
        return None
    first, size = ranks[0], len(ranks)
    if name.startswith("every"):
        stride = ranks[1] - first
        if stride == tp:
            return f"the same place in each tensor-parallel group (tp={tp})"
        return "the same device of each node" if stride == layout.per_node else None
    if size == tp and first % size == 0:
        return f"a tensor-parallel group (tp={tp})"
    return f"a pipeline stage (pp={pp})" if size == stage and first % size == 0 else None


def spans(numbers: Sequence[int]) -> str:
    """``3, 8–15``: ascending numbers with neighbours drawn together."""
    parts: list[list[int]] = []
    for n in numbers:
        if parts and n == parts[-1][-1] + 1:
            parts[-1].append(n)
        else:
            parts.append([n])
    return ", ".join(str(p[0]) if len(p) == 1 else f"{p[0]}–{p[-1]}" for p in parts)


def _ordinal(n: int) -> str:
    ending = "th" if n // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"
