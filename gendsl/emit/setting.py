"""What expressions are emitted against: where plates stand, what is a number, what is cut off."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from gendsl.emit import pycode as py
from gendsl.emit.layout import Layout, Names
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import references, walk
from gendsl.library.functions import FUNCTIONS
from gendsl.types import Size

__all__ = ["ELLIPSIS", "FULL", "Setting", "Step", "Window"]

FULL = ast.Slice()
ELLIPSIS = ast.Constant(...)


@dataclass(frozen=True, slots=True)
class Window:
    """The steps of a sequence at which an equation holds: from `first` on.

    Where a latent that is summed out stands on the sequence, its steps must stay together:
    then all of them are computed, and those before the window are `masked`.
    """

    sequence: str
    first: int
    masked: bool = False


@dataclass(slots=True)
class Step:
    """One step of a loop along a sequence, in which recurring lets are computed.

    Attributes:
        sequence: along which the loop runs.
        number: the loop's variable.
        lists: the lists of the values so far, by the name of the recurring let.
        first: the first step of the equation that is emitted.
        parts: values that do not recur, split into steps in front of the loop: for each
            expression and first step the name of the list.
        before: the statements that make them.
    """

    sequence: str
    number: str
    lists: dict[str, str]
    first: int = 0
    parts: dict[tuple[ir.Expr, int], str] = field(default_factory=dict)
    before: list[ast.stmt] = field(default_factory=list)

    def recurs(self, expr: ir.Expr) -> bool:
        """Whether a value needs one of the recurring lets."""
        return not self.lists.keys().isdisjoint(references(expr))

    def at(self, name: str, back: int = 0) -> ast.expr:
        """The value of a recurring let, at this step or some steps back."""
        number: ast.expr = py.name(self.number)
        if back:
            number = ast.BinOp(number, ast.Sub(), py.number(back))
        return ast.Subscript(py.name(self.lists[name]), number, ast.Load())


@dataclass(slots=True)
class Setting:
    """Facts about one model that emission needs.

    Attributes:
        layout: where plates stand.
        names: what things are called.
        batched: variables whose tensors may have dimensions beside those of their plates.
        data: variables that are data, in the order of their axes.
        fixed: inputs, and lets of inputs alone.
        kept: the constants of the data that predictions take from the fit, as they come up.
        used: names of the prelude functions that were needed.
        window: set while an equation that does not hold at every step is emitted.
        step: set while the body of a loop along a sequence is emitted.
        earlier: for hidden Markov chains, what the state one step earlier is called.
        functions: definitions of functions that are arguments.
        parameters: what their parameters are called, by name.
        results: what the results of nets are called that give several values, by the call.
        before: the statements that make them, which stand before the one that uses them.
        gaps: in a guide, data that may be missing there, and how many of the last axes of each
            are one value.
        lengths: of ragged sequences, the inputs that say how long they are.
        readers: the nets that read sequences up to their own ends.
        masked: for nets that take such data, the positions of the arguments that have a mask.
    """

    layout: Layout
    names: Names
    batched: frozenset[str] = frozenset()
    data: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    kept: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    window: Window | None = None
    step: Step | None = None
    earlier: dict[str, str] = field(default_factory=dict)
    functions: dict[ir.Lambda, ast.FunctionDef] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    results: dict[tuple[object, ...], str] = field(default_factory=dict)
    gaps: Mapping[str, int] = field(default_factory=dict)
    masked: dict[str, frozenset[int]] = field(default_factory=dict)
    before: list[ast.stmt] = field(default_factory=list)
    lengths: dict[str, str] = field(default_factory=dict)
    readers: frozenset[str] = frozenset()

    def taken(self) -> tuple[ast.stmt, ...]:
        """What must stand before the statement that was just emitted."""
        found = tuple(self.before)
        self.before.clear()
        self.results.clear()
        return found

    def helper(self, name: str, *args: ast.expr, **keywords: ast.expr | None) -> ast.expr:
        """A call of a function of the prelude."""
        self.used.add(name)
        return py.call(name, *args, **keywords)

    def once(self, function: str, code: ast.expr) -> ast.expr:
        """A constant of the data, computed once and kept for predictions."""
        self.kept.append(f"{function}_{len(self.kept) + 1}")
        nothing = ast.arguments([], [], None, [], [], None, [])
        computed = ast.Lambda(nothing, code)
        return self.helper("once", py.name(self.names.kept), py.text(self.kept[-1]), computed)

    @contextmanager
    def within(self, window: Window | None) -> Iterator[None]:
        """Emit for the steps of `window` alone; None for all."""
        before, self.window = self.window, window
        try:
            yield
        finally:
            self.window = before

    @contextmanager
    def stepping(self, step: Step | None) -> Iterator[None]:
        """Emit for one step of a loop; None for all steps at once."""
        before, self.step = self.step, step
        try:
            yield
        finally:
            self.step = before

    @contextmanager
    def apart(self, before: list[ast.stmt]) -> Iterator[None]:
        """What must stand before the code that is emitted goes to `before`."""
        kept, self.before = self.before, before
        try:
            yield
        finally:
            self.before = kept

    @contextmanager
    def inside(self, params: dict[str, str]) -> Iterator[None]:
        """Emit the body of a function: it sees its parameters, which may have any batch axes."""
        names = self.names.variables
        before = self.batched, self.data, self.fixed
        self.names.variables = params
        self.batched, self.data, self.fixed = frozenset(params), frozenset(), frozenset()
        try:
            with self.within(None), self.stepping(None):
                yield
        finally:
            self.names.variables = names
            self.batched, self.data, self.fixed = before

    def is_number(self, expr: ir.Expr) -> bool:
        """Whether `expr` is emitted as a plain Python number."""
        match expr:
            case ir.Constant() | ir.SizeNumber():
                return True
            case ir.Apply(function=function, args=args):
                spec = FUNCTIONS[function]
                return bool(spec.scalar) and all(self.is_number(a) for a in args)
            case _:
                return False

    def varies(self, expr: ir.Expr) -> bool:
        """Whether the tensor of `expr` may have dimensions before its event axes.

        It also has those, of size 1, of plates that are reduced or picked from in it.
        """
        return any(
            bool(e.type.plates) or (isinstance(e, ir.Reference) and e.name in self.batched)
            for e in walk(expr)
        )

    def size(self, size: Size) -> ast.expr:
        """A size as a Python expression."""
        terms = [self._product(n, c) for n, c in size.terms if c > 0]
        total = py.join(ast.Add(), terms) if terms else None
        for names, coefficient in size.terms:
            if coefficient < 0 and total is None:
                total = self._product(names, coefficient)
            elif coefficient < 0:
                assert total is not None
                total = ast.BinOp(total, ast.Sub(), self._product(names, -coefficient))
        return total if total is not None else py.number(0)

    def _product(self, names: tuple[str, ...], coefficient: int) -> ast.expr:
        """A term of a size."""
        factors: list[ast.expr] = [py.name(self.names.sizes[n]) for n in names]
        if coefficient != 1 or not factors:
            factors.insert(0, py.number(coefficient))
        return py.join(ast.Mult(), factors)

    def shape(self, sizes: tuple[Size, ...]) -> ast.expr:
        """Sizes as a list."""
        return ast.List([self.size(s) for s in sizes], ast.Load())

    def plate_sizes(self, plates: frozenset[str]) -> list[ast.expr]:
        """The batch shape of a value over `plates`, within the window; 1 for other plates."""
        by_depth = {self.layout.depths[p]: p for p in plates}
        sizes: list[ast.expr] = []
        for depth in range(self.layout.depth(plates), 0, -1):
            plate = by_depth.get(depth)
            sizes.append(self.plate_size(plate) if plate is not None else py.number(1))
        return sizes

    def plate_size(self, plate: str) -> ast.expr:
        """The number of members of a plate, within the window."""
        size = py.name(self.names.sizes[plate])
        if self.window is None or self.window.sequence != plate or self.window.masked:
            return size
        return ast.BinOp(size, ast.Sub(), py.number(self.window.first))

    def lifted(self, code: ast.expr, axes: int, own: int = 0) -> ast.expr:
        """``code[..., None]`` with `axes` new axes before its own `own` event axes."""
        if not axes:
            return code
        news: list[ast.expr] = [ast.Constant(None)] * axes
        return py.index(code, ELLIPSIS, *news, *[FULL] * own)

    def along(self, plate: str, code: ast.expr, key: ast.expr, rank: int) -> ast.expr:
        """``code`` of event rank `rank`, sliced along `plate`."""
        right = self.layout.depths[plate] - 1 + rank
        return py.index(code, ELLIPSIS, key, *[FULL] * right)

    def windowed(self, code: ast.expr, plates: frozenset[str], rank: int) -> ast.expr:
        """The steps of a value that lie in the window."""
        window = self.window
        if window is None or window.sequence not in plates or window.masked:
            return code
        return self.along(window.sequence, code, py.slice_from(window.first), rank)

    def padded(self, code: ast.expr, rank: int, nothing: ast.expr) -> ast.expr:
        """A value within the window as one over the whole sequence, `nothing` before it."""
        assert self.window is not None
        if self.window.masked:
            return py.call("torch.where", self.held(self.window, (), rank), code, nothing)
        right = self.layout.depths[self.window.sequence] - 1 + rank
        pads = [py.number(0)] * (2 * right) + [py.number(self.window.first), py.number(0)]
        return py.call("torch.nn.functional.pad", code, py.tuple_of(pads), value=nothing)

    def at(self, sequence: str, step: int, rank: int) -> ast.expr:
        """Whether a step of a sequence is `step`, for a value of event rank `rank`."""
        steps = py.call("torch.arange", py.name(self.names.sizes[sequence]))
        test = ast.Compare(steps, [ast.Eq()], [py.number(step)])
        return self.lifted(test, self.layout.depths[sequence] - 1 + rank)

    def held(self, window: Window, without: tuple[int, ...], rank: int) -> ast.expr:
        """Whether the general equation holds at a step, for a value of event rank `rank`."""
        size = py.name(self.names.sizes[window.sequence])
        start = [] if window.masked else [py.number(window.first)]
        steps = py.call("torch.arange", *start, size)
        tests: list[ast.expr] = [
            ast.Compare(steps, [ast.NotEq()], [py.number(step)]) for step in without
        ]
        if window.masked:
            tests.insert(0, ast.Compare(steps, [ast.GtE()], [py.number(window.first)]))
        right = self.layout.depths[window.sequence] - 1 + rank
        return self.lifted(py.join(ast.BitAnd(), tests), right)
