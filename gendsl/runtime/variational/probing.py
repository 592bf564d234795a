"""Networks that come from Python, held against their signatures before anything is trained.

A module is run on a few random rows. That shows shapes, types and gross mistakes of supports; that
an output is positive everywhere is the author's word.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gendsl.diagnostics import DataError, Diagnostic, nearest
from gendsl.ir import nodes as ir
from gendsl.library.architectures import Port
from gendsl.runtime.data.checking import check_values, placeholder
from gendsl.runtime.data.entries import Entry, Findings
from gendsl.runtime.nets.supplied import Supplied, shapes_differ
from gendsl.source import Source
from gendsl.types import Index, Interval, Structured, ValueType

__all__ = ["remarks", "supplied_nets", "verify_state"]

ROWS = 6
"""Rows of a probe."""

SHOWN = 200
"""Characters of what a module raises."""


def supplied_nets(
    nets: tuple[ir.Net, ...],
    given: Mapping[str, object],
    sizes: Mapping[str, int],
    source: Source,
) -> dict[str, nn.Module]:
    """The modules of nets without an architecture: copies of those that are given.

    Modules that share weights go on sharing them. Copies have the dtype and the device that are
    torch's defaults here.

    Raises:
        DataError: GD866, a module is missing or not asked for; GD867, one does not suit its
            signature; all mistakes at once.
    """
    known = {n.name: n for n in nets if n.architecture is None}
    wrong = [_missing(net) for name, net in known.items() if name not in given]
    wrong += [_surplus(name, known, nets) for name in given if name not in known]
    called = {n: given[n] for n in known if n in given}
    for name, value in list(called.items()):
        why = _not_callable(name, value)
        if why is not None:
            wrong.append(Diagnostic("GD867", why, known[name].span))
            del called[name]
    try:
        called = copy.deepcopy(called)
    except Exception as error:  # noqa: BLE001  whatever a module of the caller raises
        first = known[next(iter(called))]
        message = f"a module cannot be copied, so it cannot be trained here: {_first(error)}"
        raise DataError([*wrong, Diagnostic("GD867", message, first.span)], source) from error
    found: dict[str, nn.Module] = {}
    device, dtype = torch.zeros(()).device, torch.get_default_dtype()
    for name, value in called.items():
        net = known[name]
        inputs = [Port.of(t, sizes, optional=i in net.optional) for i, t in enumerate(net.inputs)]
        outputs = {n: Port.of(t, sizes) for n, t in net.outputs}
        found[name] = Supplied(value, inputs, outputs).to(device=device, dtype=dtype)  # type: ignore[arg-type]
        remedy = _called_with(net)
        wrong += [
            Diagnostic("GD867", why, net.span, help=remedy) for why in _mistakes(net, found[name])
        ]
    if wrong:
        raise DataError(wrong, source)
    return found


def _missing(net: ir.Net) -> Diagnostic:
    return Diagnostic(
        "GD866",
        f"`{net.name}` has no architecture, and no module is given for it",
        net.span,
        help=f'in Python give one, `model.fit(data, nets={{"{net.name}": module}})`, and again '
        f"to `load_fit`; in the shell write an architecture, `net {net.name}: ... = mlp()`",
    )


def _surplus(name: str, known: Mapping[str, ir.Net], nets: tuple[ir.Net, ...]) -> Diagnostic:
    own = next((n for n in nets if n.name == name), None)
    if own is not None:
        message = f"a module is given for `{name}`, but the file says what `{name}` is"
        return Diagnostic(
            "GD866", message, own.span, help="delete its architecture, or leave the module out"
        )
    near = nearest(name, known)
    listed = ", ".join(f"`{n}`" for n in known)
    remedy = f"did you mean `{near}`?" if near else f"modules are expected for {listed}"
    if not known:
        remedy = "leave it out: no net of the model comes from Python"
    return Diagnostic("GD866", f"no net is called `{name}`", help=remedy)


def _not_callable(name: str, value: object) -> str | None:
    if isinstance(value, type):
        return f"what is given for `{name}` is a class; give a module: `{value.__name__}(...)`"
    if callable(value):
        return None
    return (
        f"what is given for `{name}` is of type `{type(value).__name__}`, neither a "
        "`torch.nn.Module` nor a function"
    )


def _called_with(net: ir.Net) -> str:
    """What a module takes and gives."""

    def shown(type_: ValueType) -> str:
        return f"({', '.join(['rows', *map(str, type_.event)])}{',' * (not type_.event)})"

    takes = ", ".join(map(shown, net.inputs))
    gives = ", ".join(f'"{n}": {shown(t)}' if n else shown(t) for n, t in net.outputs)
    if net.outputs[0][0]:
        gives = f"{{{gives}}}"
    return f"it takes tensors {takes} and gives {gives}, for any number of rows"


# The probe


def _mistakes(net: ir.Net, module: nn.Module) -> list[str]:
    """What is wrong with a module, in sentences."""
    assert isinstance(module, Supplied)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        inputs = [_probe(port, ROWS) for port in module.inputs]
        module.eval()
        try:
            found = list(_wrong(module, inputs, net))
        finally:
            module.train()
    return [f"the module for `{net.name}`: {text}" for text in found]


def _wrong(module: Supplied, inputs: list[Any], net: ir.Net) -> Iterator[str]:
    called = module.module if module.module is not None else module._called[0]
    shown = " and ".join(str(tuple(_value(v).shape)) for v in inputs)
    try:
        outputs = called(*inputs)
    except Exception as error:  # noqa: BLE001  whatever a module of the caller raises
        yield f"it fails on tensors of shape {shown}: {_first(error)}"
        return
    differ = shapes_differ(outputs, module.outputs, ROWS)
    yield from differ
    if differ:
        return
    values = {"": outputs} if isinstance(outputs, Tensor) else outputs
    sound = True
    for name, port in module.outputs.items():
        problem = _wrong_values(name, values[name], port, module)
        sound &= problem is None
        if problem is not None:
            yield problem
    if sound:
        yield from _wrong_rows(module, inputs, values)


def _wrong_values(name: str, value: Tensor, port: Port, module: Supplied) -> str | None:
    """What is wrong with the numbers of an output."""
    what = f"`{name}`" if name else "output"
    wanted = torch.get_default_dtype()
    if value.dtype != wanted:
        return f"{what} is {_short(value.dtype)}, but the fit computes in {_short(wanted)}"
    if value.device != torch.zeros(()).device:
        return f"{what} is on {value.device}, but the fit computes on {torch.zeros(()).device}"
    if isinstance(port.support, Index) or (
        isinstance(port.support, Interval) and port.support.integer
    ):
        return f"{what} is declared `{port}`: whole numbers cannot be learned by gradients"
    if not torch.isfinite(value).all():
        return f"{what} is not finite for ordinary inputs"
    if value.requires_grad and not any(p.requires_grad for p in module.parameters()):
        return (
            f"{what} depends on weights that it does not show, which would not be trained; make "
            "it a `torch.nn.Module` that has them as parameters"
        )
    return _outside(what, value, port)


def _outside(what: str, value: Tensor, port: Port) -> str | None:
    """Which rule of its support an output breaks."""
    numbers = value.detach().cpu().double().numpy()
    kind = port.support.kind if isinstance(port.support, Structured) else ""
    if kind in ("simplex", "unit_vector"):  # single precision is no mistake
        size = numbers.sum(-1) if kind == "simplex" else np.linalg.norm(numbers, axis=-1)
        close = np.abs(size - 1) < 1e-4
        numbers = numbers / np.where(close, size, 1.0)[..., None]
    found = Findings()
    type_ = ValueType(event=port.axes, support=port.support)
    label = what.strip("`").replace(" ", "_")
    variable = ir.Variable(label, "input", ("row",), type_)
    entry = Entry(label, numbers, "values of a module")
    check_values(variable, entry, numbers, np.ones((), dtype=bool), found)
    if not found.errors:
        return None
    _, _, rule = found.errors[0].message.partition("must be ")
    return f"{what} must be {rule}"


def _wrong_rows(
    module: Supplied, inputs: list[Any], values: Mapping[str, Tensor]
) -> Iterator[str]:
    """Whether the values of a row are its own, and the same each time."""
    if _differ(values, _named(module(*inputs))):
        yield "it gives other values each time, after `eval()` too: densities would be random"
        return
    try:
        alone = _named(module(*(_part(v, slice(0, 1)) for v in inputs)))
    except Exception as error:  # noqa: BLE001  whatever a module of the caller raises
        yield f"it fails on a single row: {_first(error)}"
        return
    if _differ({n: v[:1] for n, v in values.items()}, alone):
        yield "the values of a row depend on other rows, after `eval()` too"


def _named(found: Tensor | dict[str, Tensor]) -> dict[str, Tensor]:
    return {"": found} if isinstance(found, Tensor) else found


def _differ(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return not all(torch.allclose(a[n], b[n], rtol=1e-3, atol=1e-4) for n in a)


def _value(given: Any) -> Tensor:  # noqa: ANN401  a tensor or a pair
    value: Tensor = given if isinstance(given, Tensor) else given[0]
    return value


def _part(given: Any, rows: slice) -> Any:  # noqa: ANN401  a tensor or a pair
    return given[rows] if isinstance(given, Tensor) else tuple(part[rows] for part in given)


def _probe(port: Port, rows: int) -> Any:  # noqa: ANN401  a tensor or a pair
    """Random values of an input."""
    shape = (rows, *(n or 0 for n in port.event))
    match port.support:
        case Index():
            value = torch.randint(0, max(1, port.categories or 1), shape)
        case Interval(lower=lower, upper=upper):
            value = _within(lower, upper, shape)
            value = value.floor() if port.support.integer else value
        case _:
            one = placeholder(port.support, tuple(n or 0 for n in port.event))
            value = torch.as_tensor(one, dtype=torch.get_default_dtype()).expand(shape).clone()
    return (value, torch.rand(shape) < 0.5) if port.optional else value


def _within(lower: float, upper: float, shape: tuple[int, ...]) -> Tensor:
    if math.isfinite(lower) and math.isfinite(upper):
        return lower + (upper - lower) * torch.rand(shape)
    noise = torch.randn(shape)
    if math.isfinite(lower):
        return lower + noise.exp()
    return upper - noise.exp() if math.isfinite(upper) else noise


def _first(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:SHOWN]}" if lines else type(error).__name__


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def remarks(nets: Mapping[str, nn.Module]) -> list[str]:
    """What to say of supplied modules that are no mistake."""
    return [
        f"`{name}` has batch normalisation, which in training mixes the rows of a batch"
        for name, net in nets.items()
        if isinstance(net, Supplied)
        and any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in net.modules())
    ]


def verify_state(
    nets: Mapping[str, nn.Module], arrays: Mapping[str, np.ndarray], model: ir.Model
) -> None:
    """Hold the weights of a saved run against the modules that are given for it.

    Raises:
        DataError: GD867, they have other names or shapes.
    """
    wrong = []
    for name, net in nets.items():
        if not isinstance(net, Supplied):
            continue
        prefix = f"net/{name}/"
        saved = {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}
        own = net.state_dict()
        said = [f"the run has no `{n}`" for n in own if n not in saved]
        said += [f"the module has no `{n}`" for n in saved if n not in own]
        said += [
            f"`{n}` is {tuple(own[n].shape)}, but {saved[n].shape} in the run"
            for n in own
            if n in saved and tuple(own[n].shape) != saved[n].shape
        ]
        shown = "; ".join(said).replace("`module.", "`")
        if said:
            message = f"the module for `{name}` has other weights than the run: {shown}"
            wrong.append(Diagnostic("GD867", message, model.net(name).span))
    if wrong:
        raise DataError(wrong, model.source)
