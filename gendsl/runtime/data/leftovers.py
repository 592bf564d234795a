"""What is left over when names have been matched: data nobody wants, variables without data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from gendsl.diagnostics import nearest
from gendsl.ir.nodes import Model, Variable
from gendsl.runtime.data.entries import Entry, Findings, listed

__all__ = ["Leftovers", "tell_leftovers"]


@dataclass(frozen=True, slots=True, eq=False)
class Leftovers:
    """The outcome of the matching, as far as messages need it.

    Attributes:
        absent: variables that must have data and have none.
        optional: variables that may do without.
        given: everything in the data: (entry, the file or object it is in).
        used: what has found its place.
        columns: the names that the caller mapped.
    """

    absent: Sequence[Variable]
    optional: Sequence[Variable]
    given: Sequence[tuple[Entry, str]]
    used: Set[Entry]
    columns: Mapping[str, str | Sequence[str]]


def tell_leftovers(model: Model, left: Leftovers, found: Findings) -> None:
    """Note every variable without data, and every name of the data without use."""
    values = {v.name for v in model.variables}
    known = values | {axis.name for axis in model.axes}
    hinted: set[str] = set()
    for variable in (*left.absent, *left.optional):
        free = {e.name: e for e, _ in left.given if e not in left.used and e.name not in values}
        wanted = left.columns.get(variable.name, variable.name)
        sought = wanted if isinstance(wanted, str) else variable.name
        close = nearest(sought, free.keys() - hinted)
        if variable in left.optional:
            if close is None or close.casefold() != sought.casefold():
                continue
        if close is not None:
            hinted.add(close)
        _tell_absent(variable, wanted, free.get(close or ""), left, found)
    unused: dict[str, list[str]] = {}
    for entry, owner in left.given:
        if entry in left.used or entry.name in hinted:
            continue
        if entry.name in values:
            _tell_not_given(model.variable(entry.name), entry, found)
        elif entry.strict:
            _tell_unknown(entry, known, values if left.absent else known, found)
        else:
            unused.setdefault(owner, []).append(entry.name)
    for owner, names in unused.items():
        told = listed(f"`{name}`" for name in names)
        found.info("GD790", f"not used by the model: {told} of {owner}")


def _tell_absent(
    variable: Variable,
    wanted: str | Sequence[str],
    close: Entry | None,
    left: Leftovers,
    found: Findings,
) -> None:
    names = dict.fromkeys(entry.name for entry, _ in left.given)
    have = f"they have {listed(f'`{n}`' for n in names)}" if names else "they are empty"
    kind = "an input" if variable.role == "input" else "observed"
    mapped = "" if wanted == variable.name else f" (mapped to {_quoted(wanted)} by `columns`)"
    remedy = None
    if close is not None:
        pair = f'{{"{variable.name}": "{close.name}"}}'
        remedy = f"did you mean {close.origin}? rename it, or pass columns={pair}"
    elif variable.type.event and any(entry.rows is not None for entry, _ in left.given):
        remedy = f"its entries may be columns, named in order: --column {variable.name}=a,b,c, in "
        remedy += f'Python columns={{"{variable.name}": ["a", "b", "c"]}}'
    elif variable.role == "observed":
        remedy = "what is unknown is declared `latent`; `?` allows single values to be missing"
    found.error(
        "GD710",
        f"the data have no `{variable.name}`{mapped}, which is {kind}; {have}",
        variable,
        remedy,
    )


def _quoted(wanted: str | Sequence[str]) -> str:
    names = [wanted] if isinstance(wanted, str) else wanted
    return ", ".join(f"'{name}'" for name in names)


def _tell_unknown(entry: Entry, known: Set[str], meant: Set[str], found: Findings) -> None:
    close = nearest(entry.name, meant)
    names = listed(f"`{name}`" for name in sorted(known))
    remedy = f"did you mean `{close}`?" if close else f"the model has {names}"
    found.error("GD711", f"{entry.origin} is not a name of the model", help=remedy)


def _tell_not_given(variable: Variable, entry: Entry, found: Findings) -> None:
    kinds = {
        "latent": "latent: it is inferred",
        "param": "a param: it is learned",
        "let": "a let: it is computed",
    }
    if variable.role not in kinds:
        return
    found.error(
        "GD712",
        f"{entry.origin} has the name of `{variable.name}`, which is {kinds[variable.role]}, "
        "not given",
        variable,
        "rename it or leave it out, or declare it `observe` or `input`",
    )
