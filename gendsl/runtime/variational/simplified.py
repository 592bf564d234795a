"""A recorded step without what changes nothing.

Autograd records much that a step need not do: aliases, shapes that are what they were, matrices
that are transposed twice, factors of 1, the same mean for the loss and for the report. Numbers
stay the same bit for bit: nothing is reordered that rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph, GraphModule, Node
from torch.fx.node import map_arg

from gendsl.runtime.variational.reshaping import args_of, reshaped, shape_of
from gendsl.runtime.variational.unwritten import leave_unwritten

__all__ = ["simplify"]

aten = torch.ops.aten

ALIASES = frozenset({aten.detach.default, aten.alias.default})

SHAPES = frozenset(
    {
        aten.view.default,
        aten._unsafe_view.default,
        aten.expand.default,
        aten.permute.default,
        aten.reshape.default,
    }
)
"""Operations that change nothing where the shape stays."""

SUMS = frozenset({aten.sum.dim_IntList, aten.sum.default})

FRESH = frozenset({aten.empty.memory_format, aten.empty_like.default})
"""What random numbers are written into."""

LITERALS = frozenset(
    {
        aten.lift_fresh_copy.default,
        aten.new_zeros.default,
        aten.new_ones.default,
        aten.zeros.default,
        aten.ones.default,
        aten.zeros_like.default,
        aten.ones_like.default,
        aten.full.default,
        aten.arange.default,
        aten.scalar_tensor.default,
    }
)
"""Operations that give literal numbers, whatever the values of their argument are."""

NEUTRAL: Mapping[Any, float] = {
    aten.sub.Tensor: 0.0,
    aten.mul.Tensor: 1.0,
    aten.div.Tensor: 1.0,
}
"""The second argument with which an operation gives its first one, bit for bit."""

UNREPEATABLE = ("rand", "normal", "bernoulli", "dropout", "empty", "multinomial", "poisson", "_")
"""Names, or endings of names, of operations that give something else each time."""


def simplify(module: GraphModule) -> None:
    """Simplify in place, until nothing changes any more."""
    graph = module.graph
    leave_unwritten(graph)
    pure = not any(_written(n) and n.target not in FRESH for n in graph.nodes)
    _settle(graph, pure=pure)
    if pure:
        _fold(module)
    _settle(graph, pure=pure)
    module.recompile()


def _settle(graph: Graph, *, pure: bool) -> None:
    """Apply all rules; equal operations are shared only where no values change in place."""
    changed = True
    while changed:
        changing = frozenset() if pure else _changing(graph)
        changed = any([_rewritten(graph, rule, changing) for rule in RULES])
        graph.eliminate_dead_code()
        changed |= pure and _shared(graph)


def _fold(module: GraphModule) -> None:
    """Compute once what depends on nothing but literal numbers, and leave out 0 and 1."""
    graph, known = module.graph, dict[Node, Tensor]()
    for node in list(graph.nodes):
        inputs = _literal(module, known, node)
        if inputs is None:
            continue
        args, kwargs = map_arg((args_of(node), node.kwargs), inputs.__getitem__)
        value = node.target(*args, **kwargs)
        if isinstance(value, Tensor):
            known[node] = value
    for number, (node, value) in enumerate(known.items()):
        if not all(user in known for user in node.users):
            _held(module, node, value, f"_folded_{number}")


def _literal(
    module: GraphModule, known: Mapping[Node, Tensor], node: Node
) -> Mapping[Node, Tensor] | None:
    """What an operation that depends on literal numbers alone is given; None for others."""
    if node.op != "call_function" or not _repeatable(node):
        return None
    inputs = node.all_input_nodes
    if node.target is aten.lift_fresh_copy.default and inputs[0].op == "get_attr":
        return {inputs[0]: getattr(module, str(inputs[0].target))}
    if node.target in LITERALS:
        return {n: known[n] if n in known else _like(n) for n in inputs}
    return known if inputs and all(n in known for n in inputs) else None


def _held(module: GraphModule, node: Node, value: Tensor, name: str) -> None:
    """Have the users of a node take a constant instead."""
    module.register_buffer(name, value, persistent=False)
    with module.graph.inserting_before(node):
        held = module.graph.get_attr(name)
    held.meta = dict(node.meta)
    for user in list(node.users):
        if not _neutral(user, node, value):
            user.replace_input_with(node, held)


def _like(node: Node) -> Tensor:
    """What stands for a tensor of which only shape, layout, type and device matter."""
    like = node.meta["val"]
    return torch.empty_strided(
        tuple(like.shape), like.stride(), dtype=like.dtype, device=like.device
    )


def _neutral(user: Node, node: Node, value: Tensor) -> bool:
    """Whether `user` gives its other argument unchanged, since this one is 0 or 1."""
    neutral, args = NEUTRAL.get(user.target), args_of(user)
    if neutral is None or len(args) != 2:
        return False
    first, second = reversed(args) if user.target is aten.mul.Tensor and args[0] is node else args
    if second is not node:
        return False
    same = isinstance(first, Node) and shape_of(first) == shape_of(user) is not None
    if not same or _kind(first) != _kind(user) or not bool((value == neutral).all()):
        return False
    user.replace_all_uses_with(first)
    return True


def _changing(graph: Graph) -> frozenset[Node]:
    """What is changed in place somewhere, under any of its names."""
    found: set[Node] = set()
    for node in graph.nodes:
        schema = getattr(node.target, "_schema", None)
        if schema is None or not schema.is_mutable:
            continue
        found.add(node)
        for argument in node.all_input_nodes:
            found.add(inner := argument)
            while _renames(inner):
                found.add(inner := inner.all_input_nodes[0])
    for node in graph.nodes:  # in the order in which they are computed
        if _renames(node) and node.all_input_nodes[0] in found:
            found.add(node)
    return frozenset(found)


def _renames(node: Node) -> bool:
    """Whether a node may be another name of its first argument."""
    schema = getattr(node.target, "_schema", None)
    return bool(
        schema is not None
        and node.all_input_nodes
        and (node.target in SHAPES or any(a.alias_info is not None for a in schema.arguments))
    )


def _moves(
    rule: Callable[[Graph, Node], Node | None], node: Node, changing: frozenset[Node]
) -> bool:
    """Whether a rule would read at another time, or write elsewhere, what changes in place."""
    if rule in (_alias, reshaped) or not changing:
        return False
    near, inner = {node}, node
    for _ in range(2):
        if not inner.all_input_nodes:
            break
        near.add(inner := inner.all_input_nodes[0])
    return bool(near & changing)


def _rewritten(
    graph: Graph, rule: Callable[[Graph, Node], Node | None], changing: frozenset[Node]
) -> bool:
    changed = False
    for node in list(graph.nodes):
        if node.op != "call_function" or not node.users or _moves(rule, node, changing):
            continue
        with graph.inserting_before(node):
            other = rule(graph, node)
        if other is not None:
            node.replace_all_uses_with(other)
            changed = True
    return changed


def _made(graph: Graph, node: Node, target: Any, args: tuple[Any, ...], model: Node) -> Node:  # noqa: ANN401
    """A new node whose values have the shape of those of `model`."""
    made = graph.call_function(target, args, dict(node.kwargs))
    made.meta = dict(model.meta)
    return made


def _alias(graph: Graph, node: Node) -> Node | None:
    """Another name of the same values."""
    del graph
    (first, *rest) = args_of(node) or (None,)
    if not isinstance(first, Node):
        return None
    if node.target in ALIASES:
        return first
    if node.target not in SHAPES or shape_of(first) is None or shape_of(first) != shape_of(node):
        return None
    if node.target is aten.permute.default:
        (order,) = rest
        sizes = shape_of(node)
        assert sizes is not None
        moved = [d for d in order if sizes[d] > 1]
        return first if moved == sorted(moved) else None
    return first


def _twice(graph: Graph, node: Node) -> Node | None:
    """Operations that undo each other."""
    del graph
    if node.target not in (aten.t.default, aten.neg.default):
        return None
    inner = args_of(node)[0]
    if isinstance(inner, Node) and inner.target is node.target:
        found = args_of(inner)[0]
        return found if isinstance(found, Node) else None
    return None


def _by_one(graph: Graph, node: Node) -> Node | None:
    """Products with 1 and quotients by it."""
    del graph
    products = (aten.mul.Tensor, aten.mul.Scalar, aten.div.Tensor, aten.div.Scalar)
    if node.target not in products or len(args_of(node)) != 2:
        return None
    first, factor = args_of(node)
    one = isinstance(factor, int | float) and factor == 1
    if one and isinstance(first, Node) and _kind(first) == _kind(node):
        return first
    return None


def _kind(node: Node) -> object:
    return getattr(node.meta.get("tensor_meta"), "dtype", node)


def _power(graph: Graph, node: Node) -> Node | None:
    """First powers."""
    del graph
    if node.target is aten.pow.Tensor_Scalar and args_of(node)[1] == 1:
        first = args_of(node)[0]
        if isinstance(first, Node) and _kind(first) == _kind(node):
            return first
    return None


def _sign_outwards(graph: Graph, node: Node) -> Node | None:
    """The sign of a sum or of a view, taken after it: there are fewer numbers then."""
    if node.target not in SUMS and node.target not in SHAPES - {aten.expand.default}:
        return None
    inner = args_of(node)[0]
    if not (
        isinstance(inner, Node) and inner.target is aten.neg.default and len(inner.users) == 1
    ):
        return None
    plain = _made(graph, node, node.target, (args_of(inner)[0], *args_of(node)[1:]), node)
    made = graph.call_function(aten.neg.default, (plain,))
    made.meta = dict(node.meta)
    return made


def _sign_inwards(graph: Graph, node: Node) -> Node | None:
    """The sign of what is repeated along an axis, taken before it is repeated."""
    if node.target is not aten.neg.default:
        return None
    inner = args_of(node)[0]
    if not (isinstance(inner, Node) and inner.target is aten.expand.default):
        return None
    source = args_of(inner)[0]
    if not isinstance(source, Node):
        return None
    sign = _made(graph, node, aten.neg.default, (source,), source)
    return _made(graph, inner, aten.expand.default, (sign, *args_of(inner)[1:]), node)


RULES: tuple[Callable[[Graph, Node], Node | None], ...] = (
    _alias,
    reshaped,
    _twice,
    _by_one,
    _power,
    _sign_outwards,
    _sign_inwards,
)


def _shared(graph: Graph) -> bool:
    """Whether equal operations on equal arguments were made one."""
    changed = False
    known: dict[Hashable, Node] = {}
    for node in list(graph.nodes):
        held = node.op == "get_attr"
        if not held and (node.op != "call_function" or not _repeatable(node)):
            continue
        key = (node.target, _frozen(args_of(node)), _frozen(node.kwargs))
        other = known.setdefault(key, node)
        if other is not node:
            node.replace_all_uses_with(other)
            graph.erase_node(node)
            changed = True
    return changed


def _repeatable(node: Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    if schema is None or schema.is_mutable:
        return False
    if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
        return False
    name = schema.name.split("::")[-1]
    return not any(part in name if part != "_" else name.endswith(part) for part in UNREPEATABLE)


def _written(node: Node) -> bool:
    """Whether something changes the values of a node in place."""
    return any(
        getattr(user.target, "_schema", None) is not None and user.target._schema.is_mutable  # type: ignore[union-attr]
        for user in node.users
    )


def _frozen(value: object) -> Hashable:
    """An argument as a key of a table; 1 and 1.0 and True are three things."""
    if isinstance(value, Node):
        return value
    if isinstance(value, list | tuple):
        return tuple(_frozen(v) for v in value)
    if isinstance(value, dict):
        return tuple((k, _frozen(v)) for k, v in value.items())
    return type(value).__name__, str(value)
