"""The comparator explorer: where a layer's partial sums lie, where the reference lies, and what offset or noise makes of the answers."""

from __future__ import annotations

import numpy as np
import traitlets

from dtsnn_lite.comparators import CHIPS, GRID_SIZES, REACH, REFERENCES, Shaken
from dtsnn_lite.widgets.explorer import Explorer, checked_choice, module

KINDS = tuple(CHIPS)


def near(study: Shaken, layer: int, reference: float, size: float) -> float:
    """The share of a layer's partial sums that lie closer to the reference than `size`; layer 2 is the first of one bit."""
    sums, places = study.sums[study.seeds[0]][layer - 2], np.arange(-REACH, REACH + 1)
    return float(sums[np.abs(places - reference) < size].sum() / sums.sum())


def comparator_rows(study: Shaken, kind: str, level: int, reference: float, layer: int) -> list[list[str]]:
    """The explorer's table: [name, with the flaw, without]; the flaw's size is GRID_SIZES[level]."""
    at, size = REFERENCES.index(reference), GRID_SIZES[level]
    found, clean = (int(study.grid[KINDS.index(kind), k, at]) for k in (level, 0))
    zero = 100 * study.zeros[0, layer - 2]
    return [["right answers", f"{found} of {study.images}", f"{clean} of {study.images}"],
            ["sums of this layer that are exactly 0", f"{zero:.1f} %", f"{zero:.1f} %"],
            ["closer to the reference than one deviation", f"{100 * near(study, layer, reference, size):.1f} %", "0.0 %"]]


class ComparatorExplorer(Explorer):
    """A comparator with a reference, in a network whose columns have an offset or noise.

    kind       "offset", which a column keeps, or "noise", new at each read
    level      of GRID_SIZES, the flaw's standard deviation, from 0
    reference  one of REFERENCES, in on-cell currents
    layer      whose partial sums are shown, from 2: the first has a converter
    """

    _esm = module("comparator_explorer")
    data = traitlets.Dict().tag(sync=True)
    kind = traitlets.Unicode("offset").tag(sync=True)
    level = traitlets.Int(1).tag(sync=True)
    reference = traitlets.Float(0.0).tag(sync=True)
    layer = traitlets.Unicode("2").tag(sync=True)

    def __init__(self, study: Shaken, *, heading: str = "A comparator and its reference", hash_key: str = "comparator",
                 **state: object) -> None:
        sums = study.sums[study.seeds[0]]
        layers = [str(n + 2) for n in range(len(sums))]
        data = {"kinds": list(KINDS), "sizes": list(GRID_SIZES), "references": list(REFERENCES), "layers": layers, "images": study.images,
                "grid": study.grid.tolist(), "sums": sums.tolist(), "reach": REACH}
        super().__init__(heading=heading, hash_key=hash_key, data=data, **state)
        checked_choice("kind", self.kind, KINDS)
        checked_choice("layer", self.layer, layers)
        if not 0 <= self.level < len(GRID_SIZES):
            raise ValueError(f"level counts {GRID_SIZES}, from 0; got {self.level}")
        if self.reference not in REFERENCES:
            raise ValueError(f"reference is one of {REFERENCES}; got {self.reference}")
