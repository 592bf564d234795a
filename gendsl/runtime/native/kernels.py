"""One loop for many statements: entries are loaded once, and what nobody else reads is not stored.

Along the rows of a matrix the loop goes in blocks: products with the matrix, then everything
on entries, then products with its transpose, while the block is in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from gendsl.runtime.native.accesses import Access
from gendsl.runtime.native.entrywise import COMPOSITES
from gendsl.runtime.native.loops import merged
from gendsl.runtime.native.statements import FOLDS, Item, Product, Statement

__all__ = ["is_slow", "kernel_code"]

SLOW = ("gen_bessel", "gen_erfcx", "gen_log_ndtr", "fmod", "gen_wrap")
"""Functions without a vector form keep a whole loop from being vectorised."""

BLOCK = 128
"""Rows of a block; whole panels."""


def is_slow(statement: Statement) -> bool:
    """Whether it has a loop of its own."""
    return bool(statement.shape) and any(word in statement.op for word in SLOW)


def kernel_code(
    shape: tuple[int, ...],
    items: Sequence[Item],
    stored: Callable[[Access, tuple[int, ...]], bool],
) -> str:
    """A kernel in C.

    Args:
        shape: of its loops.
        items: `Statement`s and `Product`s.
        stored: whether somebody else reads what is written there.
    """
    return _Writer(shape, items, stored).text()


class _Writer:
    """Writes one kernel."""

    def __init__(
        self,
        shape: tuple[int, ...],
        items: Sequence[Item],
        stored: Callable[[Access, tuple[int, ...]], bool],
    ) -> None:
        self.products = [i for i in items if isinstance(i, Product)]
        self.stored = stored
        self.old_shape = shape
        statements = [i for i in items if isinstance(i, Statement)]
        self.keys = {s.out: s.out for s in statements}
        self.shape, self.statements = shape, statements
        if not self.products and len(shape) > 1:
            self._merge()
        self.names = [f"i{k}" for k in range(len(self.shape))]
        self.blocked = bool(self.products)
        self.count = 0
        self.head: list[str] = []  # before the loops
        self.before: list[str] = []  # before the loop over a block
        self.body: list[str] = []  # inside them
        self.levels: list[list[str]] = [
            [] for _ in self.shape
        ]  # in front of each loop but the first
        self.ends: list[list[str]] = [[] for _ in self.shape]  # after each loop
        self.tail: list[str] = []
        self.entries: dict[Access, str] = {}
        self.known: dict[tuple[str, ...], str] = {}
        self.sums: list[str] = []
        self.last: dict[Access, str] = {}
        self.wanted: set[Access] = set()
        self.scatters: list[Statement] = []

    def _merge(self) -> None:
        """Neighbouring axes become one where every access allows it."""
        every: list[Access] = []
        for s in self.statements:
            for a in (s.out, *s.args):
                if isinstance(a, Access):
                    every += a.parts()
        sizes, strides = merged(self.shape, [a.strides for a in every])
        if len(sizes) == len(self.shape):
            return
        new = iter(strides)

        def moved(access: Access) -> Access:
            own = tuple(next(new))
            terms = tuple((moved(index), stride) for index, stride in access.terms)
            return access.moved(own, terms)

        found = []
        for s in self.statements:
            out = moved(s.out)
            self.keys[out] = s.out
            args = tuple(moved(a) if isinstance(a, Access) else a for a in s.args)
            found.append(replace(s, out=out, args=args, shape=tuple(sizes)))
        self.statements, self.shape = found, tuple(sizes)

    def name(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count}"

    # Operands and operations

    def operand(self, arg: Access | str) -> str:
        if isinstance(arg, str):
            return arg
        found = self.entries.get(arg)
        if found is not None:
            return found
        if arg.fixed and self.shape:
            found = self.name("v")
            self.head.append(f"const double {found} = {self.entry(arg)};")
        else:
            found = self.name("t")
            self.body.append(f"const double {found} = {self.entry(arg)};")
        self.entries[arg] = found
        return found

    def entry(self, access: Access) -> str:
        """An entry in memory, where indices may have been computed in this loop."""
        plain = access.moved(access.strides, ()).entry(self.names)
        terms = []
        for index, stride in access.terms:
            known = self.operand(index) if index.buffer[0] == "w" else index.entry(self.names)
            terms.append(f"(long){known} * {stride}")
        return f"{plain[:-1]} + {' + '.join(terms)}]" if terms else plain

    def do(self, op: str, *operands: str) -> str:
        """Compute an expression, unless that has been done."""
        if op == "{0}":
            return operands[0]
        if op in COMPOSITES:
            return COMPOSITES[op](self.do, *operands)
        if not operands:
            return op
        varies = [o[0] == "t" for o in operands]
        if op == "({0} / {1})" and self.shape and varies == [True, False]:
            return self.do("({0} * {1})", operands[0], self.do("(1 / {0})", operands[1]))
        key = (op, *operands)
        if key not in self.known:
            text = op.format(*operands)
            if self.shape and not any(varies):
                found = self.name("v")
                self.head.append(f"const double {found} = {text};")
            else:
                found = self.name("t")
                self.body.append(f"const double {found} = {text};")
            self.known[key] = found
        return self.known[key]

    # Statements

    def text(self) -> str:
        for p in self.products:
            if not p.over_rows:
                self.entries[p.out] = self._product_before(p)
        for statement in self.statements:
            self._statement(statement)
        for p in self.products:
            if not p.over_rows:
                self.last[p.out] = self.entries[p.out]
                self.keys[p.out] = p.out
        blocks = [self._product_after(p) for p in self.products if p.over_rows]
        for access, value in self.last.items():
            if access in self.wanted or self.stored(self.keys[access], self.old_shape):
                self.body.append(f"{access.entry(self.names)} = {value};")
        return self._whole(blocks)

    def _statement(self, s: Statement) -> None:
        if s.fold in ("scatter", "put"):
            self._scatter(s)
            return
        value = self.do(s.op, *(self.operand(a) for a in s.args))
        if not s.fold:
            self.entries[s.out] = self.last[s.out] = value
            return
        self._fold(s, value)

    def _fold(self, s: Statement, value: str) -> None:
        start, combined = FOLDS[s.fold]
        kept = [a for a, stride in enumerate(s.out.strides) if stride]
        depth = kept[-1] + 1 if kept else 0
        again = any(
            not s.out.strides[a] for a in range(depth)
        )  # outer turns add to the same entry
        out = s.out.entry(self.names)
        if again:
            self._started(s, kept, start)
        if depth == len(self.shape):
            self.body.append(f"{out} = {combined.format(out, value)};")
            return
        total = self.name("s")
        front = self.head if depth == 0 else self.levels[depth]
        front.append(f"double {total} = {start};")
        end = self.tail if depth == 0 else self.ends[depth]
        if s.fold == "sum":
            self.sums.append(f"+:{total}")
            self.body.append(f"{total} += {value};")
        elif s.fold == "prod":
            self.sums.append(f"*:{total}")
            self.body.append(f"{total} *= {value};")
        else:
            odd = self.name("s")
            front.append(f"double {odd} = 0;")
            self.sums += [f"{s.fold}:{total}", f"+:{odd}"]
            sign = ">" if s.fold == "max" else "<"
            self.body.append(f"{total} = {value} {sign} {total} ? {value} : {total};")
            self.body.append(f"{odd} += {value} != {value} ? 1.0 : 0.0;")
            end.append(f"if ({odd} != 0) {total} = NAN;")
        end.append(f"{out} = {combined.format(out, total) if again else total};")

    def _started(self, s: Statement, kept: Sequence[int], start: str) -> None:
        names = [f"z{k}" for k in range(len(self.shape))]
        loops = "".join(f"for (long z{a} = 0; z{a} < {self.shape[a]}; ++z{a}) " for a in kept)
        self.head.append(f"{loops}{s.out.entry(names)} = {start};")

    def _scatter(self, s: Statement) -> None:
        (source,) = s.args
        if isinstance(source, Access) and source in self.last:
            self.wanted.add(source)
        for index in (p for term, _ in s.out.terms for p in term.parts()):
            if index in self.last:
                self.wanted.add(index)
        self.scatters.append(s)

    # Products with matrices

    def _product_before(self, p: Product) -> str:
        """The rows times the vector, for a block; the name of the entry."""
        block = self.name("e")
        vector = f"{p.vector.buffer} + {p.vector.offset}"
        if p.vector.strides != (1,):
            vector = p.room
            entry = p.vector.entry(["j"])
            self.head.append(f"for (long j = 0; j < {p.columns}; ++j) {p.room}[j] = {entry};")
        self.before.append(
            f"double {block}[{BLOCK}]; gen_rows({p.panels}, {p.columns}, m, p, {vector}, {block});"
        )
        found = self.name("t")
        self.body.append(f"const double {found} = {block}[i0 - p];")
        return found

    def _product_after(self, p: Product) -> str:
        """A block's entries times the rows."""
        block = self.name("e")
        value = self.operand(p.vector)
        self.before.append(f"double {block}[{BLOCK}];")
        self.body.append(f"{block}[i0 - p] = {value};")
        self.head.append(f"memset({p.room}, 0, {8 * p.columns} * sizeof(double));")
        entry = p.out.entry(["j"])
        self.tail.append(
            f"for (long j = 0; j < {p.columns}; ++j) {entry} = gen_eight({p.room} + 8 * j);"
        )
        return f"gen_columns({p.panels}, {p.columns}, m, p, {block}, {p.room});"

    # The loops

    def _whole(self, blocks: Sequence[str]) -> str:
        lines = ["{", *self.head]
        if not self.shape:
            lines += self.body
        elif self.body or self.blocked:
            lines += self._blocked(blocks) if self.blocked else self._nest()
        lines += self.tail
        if not self.blocked:
            end = str(self.shape[0]) if self.shape else ""
            lines += [line for s in self.scatters for line in self._scattered(s, "0", end)]
        return "\n".join([*lines, "}"])

    def _pragma(self) -> str:
        reductions = [f"reduction({s})" for s in self.sums]
        return " ".join(["#pragma omp simd", *reductions])

    def _nest(self) -> list[str]:
        lines = []
        for k, (name, size) in enumerate(zip(self.names, self.shape, strict=True)):
            if k:
                lines += self.levels[k]
            if k == len(self.shape) - 1:
                lines.append(self._pragma())
            lines.append(f"for (long {name} = 0; {name} < {size}; ++{name}) {{")
        lines += self.body
        for k in reversed(range(len(self.shape))):
            lines.append("}")
            lines += self.ends[k]
        return lines

    def _blocked(self, blocks: Sequence[str]) -> list[str]:
        rows = self.shape[0]
        return [
            f"for (long p = 0; p < {rows}; p += {BLOCK}) {{",
            f"const long m = {rows} - p < {BLOCK} ? {rows} - p : {BLOCK};",
            *self.before,
            self._pragma(),
            "for (long i0 = p; i0 < p + m; ++i0) {",
            *self.body,
            "}",
            *blocks,
            *(line for s in self.scatters for line in self._scattered(s, "p", "p + m")),
            "}",
        ]

    def _scattered(self, s: Statement, start: str, end: str) -> list[str]:
        """Entries added to, or put, where an index says."""
        lines = []
        for k, (name, size) in enumerate(zip(self.names, self.shape, strict=True)):
            low, high = (start, end) if k == 0 else ("0", str(size))
            lines.append(f"for (long {name} = {low}; {name} < {high}; ++{name}) {{")
        (source,) = s.args
        value = source if isinstance(source, str) else source.entry(self.names)
        sign = "+=" if s.fold == "scatter" else "="
        return [*lines, f"{s.out.entry(self.names)} {sign} {value};", "}" * len(self.shape)]
