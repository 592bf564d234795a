"""Arrays as sums of numbers times constant arrays.

``v = sum_k s_k C_k`` with scalars s that depend on the unknowns and constants C. Rule: linear
operations act on the constants alone, ``L(sum_k s_k C_k) = sum_k s_k L(C_k)``, and so do products
and quotients of single terms, ``s C / (t D) = (s / t) (C / D)``. Squares of sums are not expanded,
since their terms could cancel.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gendsl.runtime.algebra.editing import Editor, Node
from gendsl.runtime.algebra.functionals import Factors, product_of
from gendsl.runtime.algebra.kinds import is_movement, name_of
from gendsl.runtime.algebra.restriction import Restriction
from gendsl.runtime.shapes import broadcast_shapes
from gendsl.runtime.tracing import Argument, Ref, Step, map_refs

__all__ = ["Form", "Forms"]

aten = torch.ops.aten

Form = dict[Factors, Tensor]
"""Constant arrays by the product of scalars in front of each."""

MOST_TERMS = 6
"""Sums of more terms are not followed, but for products of constants and a vector of unknowns."""

MOST_UNKNOWNS = 64
"""The length of such a vector."""

MOST_ENTRIES = 8_000_000
"""All constants of one form have so many entries at most."""

DEEPEST = 150

_ALONE = frozenset(
    {
        *("sum", "mean", "cumsum", "slice_backward", "select_backward", "diag_embed"),
        *("tril", "triu", "constant_pad_nd", "neg", "to_copy", "detach"),
    }
)
"""Linear in their first argument, the others being constants."""


class Forms:
    """The forms of results of one tape, found when they are asked for."""

    def __init__(self, editor: Editor, restriction: Restriction) -> None:
        """Begin without any."""
        self._editor, self._restriction = editor, restriction
        self._found: dict[int, Form | None] = {}

    def of(self, node: Argument, depth: int = 0) -> Form | None:
        """A node as such a sum; None where it is none, or one of too many terms."""
        if isinstance(node, (bool, int, float)):
            node = torch.tensor(float(node))
        if isinstance(node, Tensor):
            return {(): node}
        if not isinstance(node, Ref) or depth > DEEPEST:
            return None
        if node.number not in self._found:
            found = self._computed(node, depth)
            if found is not None and not _small(found):
                found = None
            self._found[node.number] = found
        return self._found[node.number]

    def inner(self, node: Ref) -> list[Ref]:
        """The results with forms that a node's form was made of, the node included."""
        seen: set[int] = set()
        waiting, found = [node], list[Ref]()
        while waiting:
            ref = waiting.pop()
            if ref.number in seen or self._found.get(ref.number) is None:
                continue
            seen.add(ref.number)
            found.append(ref)
            step = self._editor.step(ref)
            if step is not None:
                map_refs((step.args, step.kwargs), waiting.append)
        return found

    def written(self, form: Form, shape: torch.Size) -> Node:
        """The sum in operations."""
        editor, total = self._editor, None
        if len(form) > MOST_TERMS:
            constants = torch.stack([c.expand(shape).reshape(-1) for c in form.values()], 1)
            scalars = [editor.reshape(_product(editor, f), ()) for f in form]
            vector = editor.emit(aten.stack.default, scalars)
            return editor.reshape(editor.emit(aten.mv.default, constants, vector), shape)
        terms = {f: c for f, c in form.items() if bool((c != 0).any())}
        for factors, constant in (terms or form).items():
            term: Node = constant.expand(shape).contiguous()
            if factors:
                term = editor.times(_product(editor, factors), term)
            total = editor.plus(total, editor.reshape(term, shape))
        assert total is not None
        return total

    def _computed(self, node: Ref, depth: int) -> Form | None:
        step = self._editor.step(node)
        found = None if step is None else self._by_rule(step, depth + 1)
        return self._number(node) if found is None else found

    def _number(self, node: Node) -> Form | None:
        """A scalar, repeated or not, as one unknown."""
        editor = self._editor
        if not self._restriction.uniform(node) or not editor.sample(node).is_floating_point():
            return None
        number, ones = self._restriction.number(node), torch.ones(editor.shape(node))
        if isinstance(number, Ref):
            return {product_of((), number.number, 1): ones}
        return {(): ones * number}

    def _single(self, node: Argument, depth: int) -> Form | None:
        """The same with one term."""
        found = self.of(node, depth)
        if found is None or len(found) == 1 or not isinstance(node, (Ref, Tensor)):
            return found
        return self._number(node)

    def _by_rule(self, step: Step, depth: int) -> Form | None:
        name, args = name_of(step.op), step.args
        if is_movement(step) or (name in _ALONE and not _refs(args[1:]) and not step.kwargs):
            return self._mapped(lambda c: step.op(c, *args[1:]), self.of(args[0], depth))
        match name:
            case "add" | "sub":
                alpha = step.kwargs.get("alpha", 1)
                sign = alpha if name == "add" else -alpha
                return _added(self.of(args[0], depth), self.of(args[1], depth), sign)
            case "mul":
                return self._product(step, depth)
            case "div" if not step.kwargs:
                return _times(self.of(args[0], depth), _inverse(self._single(args[1], depth)))
            case "pow" if isinstance(args[1], (int, float)) and args[1] == 2:
                own = self._single(args[0], depth)
                return _times(own, own)
            case "where" if isinstance(args[0], Tensor):
                return self._chosen(step, depth)
            case "mm" | "mv" | "bmm" | "dot":
                return self._matrix(step, depth)
            case _:
                return self._joint(step, depth)
        return None

    def _mapped(self, op: Callable[[Tensor], Tensor], form: Form | None) -> Form | None:
        return None if form is None else {f: op(c) for f, c in form.items()}

    def _chosen(self, step: Step, depth: int) -> Form | None:
        condition, one, other = step.args
        zero = torch.zeros(())
        first = self._mapped(lambda c: torch.where(condition, c, zero), self.of(one, depth))
        second = self._mapped(lambda c: torch.where(condition, zero, c), self.of(other, depth))
        return _added(first, second, 1)

    def _matrix(self, step: Step, depth: int) -> Form | None:
        a, b = step.args
        if isinstance(a, Tensor):
            own = self.of(b, depth)
            length = self._editor.shape(b).numel()
            if own is None and name_of(step.op) == "mv" and length <= MOST_UNKNOWNS:
                return {
                    product_of((), self._entry(b, k), 1): a[:, k].contiguous()
                    for k in range(length)
                }
            return self._mapped(lambda c: step.op(a, c), own)
        if isinstance(b, Tensor):
            return self._mapped(lambda c: step.op(c, b), self.of(a, depth))
        return None

    def _entry(self, vector: Ref, place: int) -> int:
        flat = self._editor.reshape(vector, (self._editor.shape(vector).numel(),))
        entry = self._editor.emit(aten.select.int, flat, 0, place)
        assert isinstance(entry, Ref)
        return entry.number

    def _product(self, step: Step, depth: int) -> Form | None:
        one, other = (self.of(a, depth) for a in step.args)
        if one is not None and other is not None and min(len(one), len(other)) > 1:
            one = self._single(step.args[0], depth)
            if one is None or len(one) > 1:
                other = self._single(step.args[1], depth)
                one = self.of(step.args[0], depth)
        return _times(one, other)

    def _joint(self, step: Step, depth: int) -> Form | None:
        """Operations that are linear in several arguments at once."""
        inner = _linear_arguments(step)
        if inner is None:
            return None
        forms = [self.of(a, depth) for a in inner]
        if any(f is None for f in forms):
            return None
        shapes = [self._editor.shape(a) for a in inner]
        keys = dict.fromkeys(k for f in forms if f is not None for k in f)
        if len(keys) > MOST_UNKNOWNS:
            return None
        found: Form = {}
        for key in keys:
            parts = [
                (f or {}).get(key, torch.zeros(())).expand(s)
                for f, s in zip(forms, shapes, strict=True)
            ]
            match name_of(step.op):
                case "cat" | "stack":
                    found[key] = step.op(parts, *step.args[1:])
                case "index_put":
                    found[key] = step.op(parts[0], step.args[1], parts[1], *step.args[3:])
                case _:
                    found[key] = step.op(parts[0], *step.args[1:3], parts[1], *step.args[4:])
        return found


def _linear_arguments(step: Step) -> list[Argument] | None:
    """The arguments in which an operation is linear, if the others are constants."""
    name, args = name_of(step.op), step.args
    if step.kwargs:
        return None
    if name in ("cat", "stack"):
        return [*args[0]]
    if name == "index_put":
        return [args[0], args[2]] if len(args) > 3 and args[3] and not _refs(args[1]) else None
    if name in ("scatter_add", "index_add"):
        return [args[0], args[3]] if not _refs(args[1:3]) else None
    return None


def _refs(value: Argument) -> list[Ref]:
    found: list[Ref] = []
    map_refs(value, found.append)
    return found


def _small(form: Form) -> bool:
    entries = sum(c.numel() for c in form.values())
    return len(form) <= MOST_UNKNOWNS and entries <= MOST_ENTRIES


def _added(one: Form | None, other: Form | None, sign: float) -> Form | None:
    if one is None or other is None:
        return None
    found = dict(one)
    for factors, constant in other.items():
        part = constant if sign == 1 else constant * sign
        found[factors] = found[factors] + part if factors in found else part
    shape = broadcast_shapes(*(c.shape for c in found.values()))
    return {f: c.expand(shape) for f, c in found.items()}


def _times(one: Form | None, other: Form | None) -> Form | None:
    if one is None or other is None or min(len(one), len(other)) > 1:
        return None
    found: Form = {}
    for f, a in one.items():
        for g, b in other.items():
            key = f
            for number, power in g:
                key = product_of(key, number, power)
            found[key] = a * b
    return found


def _inverse(form: Form | None) -> Form | None:
    if form is None or len(form) != 1:
        return None
    ((factors, constant),) = form.items()
    return {tuple((n, -p) for n, p in factors): 1 / constant}


def _product(editor: Editor, factors: Factors) -> Node:
    """The scalars of a term, multiplied."""
    total: Node | None = None
    for number, power in factors:
        part: Node = Ref(number)
        if power != 1:
            part = editor.emit(aten.pow.Tensor_Scalar, part, power)
        total = editor.times(total, part)
    return torch.ones(()) if total is None else total
