"""The reference page of the transforms of flows, generated from the tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gendsl.library.architectures.spec import ArchitectureOption
from gendsl.library.transforms import SCALAR_MAPS, TRANSFORMS, MapSpec, TransformSpec

__all__ = ["transform_page"]

_INTRODUCTION = """\
What stands behind `flow f: real[D] = `. A flow maps a base u, whose law is known, to data x, and
`Normal(0, 1) |> f` is the law of x: log p(x) = log p(u) + log |det du/dx|. A type behind a bar,
`flow f: real[D] | real[C] = ...`, is a context on which the numbers of the transform depend,
through a network of their own. Couplings, autoregressive and elementwise transforms are made of a
scalar map, their first argument: `coupling(spline(bins=8), layers=6)`. Transforms are composed by
further pipes, `Normal(0, 1) |> f |> g`.

The directions have their costs: a density goes from x to u, a draw from u to x. In a guide a flow
is drawn from, and is turned around where that is cheaper: an autoregressive transform is then what
is called an inverse autoregressive flow. All maps are invertible by construction, which a fit
verifies on the data, layer by layer."""


def _options(options: Iterable[ArchitectureOption]) -> Iterator[str]:
    rows = []
    for option in options:
        default = option.default
        if isinstance(default, tuple):
            shown = f"`[{', '.join(map(str, default))}]`"
        else:
            shown = "" if default is None else f"`{default}`"
        rows.append(f"| `{option.name}` | {option.expected} | {shown} | {option.meaning} |")
    if rows:
        yield from ("| option | value | default | meaning |", "|---|---|---|---|", *rows, "")


def _map(spec: MapSpec) -> Iterator[str]:
    yield from (f"### {spec.name}", "", spec.summary, "", f"$${spec.formula}$$", "")
    yield f"- A density: {spec.inverse.words}. A draw: {spec.forward.words}."
    yield f"- Invertible: {spec.condition}."
    yield from (f"- Source: {source}" for source in spec.references)
    yield ""
    yield from _options(spec.options)


def _transform(spec: TransformSpec) -> Iterator[str]:
    yield from (f"### {spec.name}", "", spec.summary, "")
    yield f"- Types: {spec.takes}{'' if spec.conditional else ', without context'}."
    if spec.default_map:
        yield f"- Scalar map: `{spec.default_map}` by default; costs are those of the map and:"
    yield f"- A density: {spec.inverse.words}. A draw: {spec.forward.words}."
    yield f"- Invertible: {spec.condition}."
    yield from (f"- Source: {source}" for source in spec.references)
    yield ""
    yield from _options(spec.options)


def transform_page(generated: str) -> str:
    """The reference of transforms, as Markdown; `generated` says where pages come from."""
    lines = ["# Transforms of flows", "", generated, "", _INTRODUCTION, "", "## Transforms", ""]
    for spec in TRANSFORMS.values():
        lines += _transform(spec)
    lines += ["## Scalar maps", ""]
    for scalar in SCALAR_MAPS.values():
        lines += _map(scalar)
    return "\n".join(lines).rstrip() + "\n"
