"""The tables of transforms, and of the scalar maps that some of them are made of."""

from __future__ import annotations

from collections.abc import Mapping

from gendsl.library.architectures.ports import Port
from gendsl.library.architectures.spec import ArchitectureOption, OptionKind, OptionValue
from gendsl.library.registry import Registry
from gendsl.library.transforms.maps import MAPS
from gendsl.library.transforms.records import TRANSFORMS_OF_TABLE
from gendsl.library.transforms.spec import FlowDesign, FlowRule, MapSpec, TransformSpec, Way

__all__ = [
    "MAPS",
    "SCALAR_MAPS",
    "TRANSFORMS",
    "TRANSFORMS_OF_TABLE",
    "FlowDesign",
    "FlowRule",
    "MapSpec",
    "TransformSpec",
    "Way",
    "flow_design",
]

SCALAR_MAPS: Registry[MapSpec] = Registry(MapSpec, vars())
"""Every scalar map, by name."""

TRANSFORMS: Registry[TransformSpec] = Registry(TransformSpec, vars())
"""Every transform, by name."""


def flow_design(
    transform: str,
    options: Mapping[str, object],
    scalar: str,
    map_options: Mapping[str, object],
    event: Port,
    contexts: tuple[Port, ...],
) -> FlowDesign:
    """What a flow is built from, options filled in.

    Raises:
        ValueError: an option is not known, or its value is not legal.
    """
    spec = TRANSFORMS[transform]
    chosen = scalar or spec.default_map
    own = _completed(spec.title, spec.options, options)
    inner: dict[str, OptionValue] = {}
    if chosen:
        inner = _completed(f"`{chosen}`", SCALAR_MAPS[chosen].options, map_options)
    return FlowDesign(event, contexts, own, chosen, inner)


def _completed(
    title: str, known: tuple[ArchitectureOption, ...], given: Mapping[str, object]
) -> dict[str, OptionValue]:
    found = {o.name: o.default for o in known}
    named = {o.name: o for o in known}
    for name, value in given.items():
        if name not in named:
            raise ValueError(f"{title} has no option `{name}`")
        if not named[name].accepts(value):
            raise ValueError(f"`{name}` must be {named[name].expected}, not {value!r}")
        if named[name].kind is OptionKind.WHOLES:
            value = tuple(value) if isinstance(value, (list, tuple)) else (value,)
        found[name] = value  # type: ignore[assignment]
    return found
