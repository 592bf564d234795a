"""Which tensor dimension each plate has, and what things are called in the program.

A value over plates P with event rank e is a tensor whose last e dimensions are its event
axes; plate p stands `depth(p) + e` dimensions from the right, dimensions of other plates
have size 1, and anything may stand on the left (chains, draws, enumeration).
"""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Iterator
from dataclasses import dataclass

from gendsl.ir import nodes as ir
from gendsl.ir.traversal import distribution_expressions, equation_expressions, walk

__all__ = ["Layout", "Names", "layout_of"]

RESERVED = {
    *keyword.kwlist,
    *keyword.softkwlist,
    *dir(builtins),
    "pyro",
    "torch",
    "dist",
    "constraints",
    "math",
    "runtime",
    "poutine",
    "self",
    "obs",
    "np",
    "model",
    "gendsl",
    "main",
    "data",
    "inf",
    "nan",
    "NUTS",
    "MCMC",
    "collect",
    "earlier",
    "in_order",
    "joined",
    "kept",
    "guide",
    "lagged",
    "once",
    "recovered",
    "spread",
    "take",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The depth of every plate: plate p is dimension ``-depths[p]`` of a batch shape.

    `least` is how many batch dimensions the program takes at least.
    """

    depths: dict[str, int]
    least: int = 0

    def depth(self, plates: frozenset[str]) -> int:
        """How many batch dimensions a value over `plates` has."""
        return max((self.depths[p] for p in plates), default=0)

    def ordered(self, plates: frozenset[str] | tuple[str, ...]) -> list[str]:
        """The plates from left to right in a tensor."""
        return sorted(plates, key=lambda p: -self.depths[p])

    @property
    def max_plate_nesting(self) -> int:
        """The number of batch dimensions that plates take."""
        return max(self.depths.values(), default=self.least)


def _plate_sets(model: ir.Model) -> Iterator[frozenset[str]]:
    for variable in model.variables:
        yield variable.type.plates
        bounds = [b for b in (variable.lower, variable.upper) if b is not None]
        for expr in walk(*bounds):
            yield expr.type.plates
        for equation in variable.equations:
            plates: frozenset[str] = frozenset(variable.axes)
            if equation.distribution is not None:
                exprs = distribution_expressions(equation.distribution)
            else:
                exprs = equation_expressions(equation)
            yield plates.union(*(e.type.plates for e in exprs))
            for expr in walk(*exprs):
                yield expr.type.plates
    for energy in model.energies:
        for expr in walk(energy.value):
            yield expr.type.plates


def layout_of(model: ir.Model, guide: ir.Model | None = None) -> Layout:
    """Depths such that plates that meet differ; data keep the order of their axes if they can."""
    names = [a.name for a in model.axes if a.kind != "dim"]
    meets: dict[str, set[str]] = {n: set() for n in names}
    sets = set(_plate_sets(model)) | set(_plate_sets(guide) if guide is not None else ())
    for plates in sets:
        for p in plates:
            meets[p] |= plates - {p}
    before: dict[str, set[str]] = {n: set() for n in names}
    for variable in model.variables:
        for i, p in enumerate(variable.axes):
            before[p] |= set(variable.axes[i + 1 :])
    depths: dict[str, int] = {}
    waiting = list(names)
    while waiting:
        ready = [p for p in waiting if not (before[p] & set(waiting)) - {p}] or waiting[-1:]
        for p in ready:
            taken = {depths[q] for q in meets[p] if q in depths}
            least = 1 + max((depths[q] for q in before[p] if q in depths), default=0)
            depths[p] = next(d for d in range(least, len(names) + 2) if d not in taken)
            waiting.remove(p)
    return Layout(depths)


class Names:
    """Python identifiers for the names of a model; injective, legal, and shadowing nothing."""

    def __init__(self, model: ir.Model, guide: ir.Model | None = None) -> None:
        """Reserve a name for every variable and axis, those of the guide alone included."""
        self._taken: set[str] = set(RESERVED)
        self._cut: dict[str, str] = {}
        self.variables = {v.name: self._fresh(v.name) for v in model.variables}
        for variable in model.of_role("observed"):
            if variable.optional:  # its mask is called after it
                self.variables[variable.name] = self._with_mask(self.variables[variable.name])
        self.dims = {a.name: self._fresh(a.name) for a in model.axes if a.kind == "dim"}
        plates = [a.name for a in model.axes if a.kind != "dim"]
        self.sizes = self.dims | {p: self._fresh(f"n_{p}") for p in plates}
        self.plates = {p: self._fresh(f"{p}_plate") for p in plates}
        beside = guide if guide is not None else model
        for variable in beside.variables:
            if variable.name not in self.variables:
                self.variables[variable.name] = self._fresh(variable.name)
        self.there = {a.name: self._fresh(f"{a.name}_there") for a in model.axes if a.lengths}
        self.nets = {n.name: self._fresh(n.name) for n in beside.nets}
        self.modules = self._fresh("nets") if self.nets else "nets"
        self.kept = "kept"
        self.recovered = "recovered"

    def _fresh(self, wish: str) -> str:
        candidate = wish.replace(".", "_")  # weights of nets are called `f.layers.0.weight`
        if candidate.startswith("__"):
            candidate = f"v{candidate}"
        while candidate in self._taken:
            candidate += "_"
        self._taken.add(candidate)
        return candidate

    def _with_mask(self, name: str) -> str:
        """`name`, or a longer one such that the name of its mask is free too."""
        while f"{name}_known" in self._taken:
            name = self._fresh(f"{name}_")
        self._taken.add(f"{name}_known")
        return name

    def cut_plate(self, plate: str, first: int) -> str:
        """The plate of the members of a sequence from `first` on."""
        key = f"{plate} from {first}"
        if key not in self._cut:
            self._cut[key] = self._fresh(f"{plate}_from_{first}_plate")
        return self._cut[key]

    def extra(self, wish: str) -> str:
        """A name for something that the model does not name."""
        return self._fresh(wish)
