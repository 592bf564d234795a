"""Summaries: a table of every entry of every variable, and a verdict on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import prod
from statistics import NormalDist
from typing import Literal, assert_never

import numpy as np
import pandas as pd
import xarray as xr
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gendsl.diagnostics import DataError, Diagnostic, nearest
from gendsl.runtime.diagnosis import diagnose, entry_labels, sampler_facts
from gendsl.runtime.energies.judging import energy_caption, judge_energy
from gendsl.runtime.results import ESTIMATE, EXACT, SAMPLE_DIMS, STANDARD_ERROR
from gendsl.runtime.summary_text import format_cells
from gendsl.runtime.variational.judging import in_bounds, judge_variational
from gendsl.runtime.verdict import Verdict, judge_draws, judge_exact, judge_point

__all__ = ["Kind", "Summary", "summarise"]

Kind = Literal["mcmc", "exact", "point", "variational"]

SHOWN = 60
"""Printing shows at most this many rows; `Summary.table` has all."""

MAX_VALUES = 6
"""Exact tables have a column for each value up to this many."""

STYLES = {"good": "green", "caution": "yellow", "do not trust": "bold red"}


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """A table and what to think of it.

    Attributes:
        kind: how the numbers came about: ``mcmc``, ``exact`` or ``point``.
        table: a row an entry, labelled as the language writes it; NaN where undefined.
        caption: what each column is.
        verdict: whether to use it, judged on all variables, shown or not.
    """

    kind: Kind
    table: pd.DataFrame
    caption: str
    verdict: Verdict

    def _shown(self) -> tuple[list[list[str]], str | None]:
        cells = format_cells(self.table.head(SHOWN))
        hidden = len(self.table) - len(cells)
        return cells, f"… and {hidden} more rows, in the table" if hidden > 0 else None

    def __str__(self) -> str:
        """Plain text: caption, table, verdict."""
        cells, more = self._shown()
        rows = [["", *map(str, self.table.columns)], *cells]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
            for row in (rows if cells else ())
        ]
        return "\n".join(
            [self.caption, "", *lines, *([more] if more else []), "", str(self.verdict)]
        )

    def __rich__(self) -> RenderableType:
        """A table for the terminal."""
        cells, more = self._shown()
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        table.add_column("")
        for i, column in enumerate(self.table.columns, start=1):
            header = str(column).replace("_", "\n")
            width = max(len(part) for part in (*header.split("\n"), *(row[i] for row in cells)))
            table.add_column(
                Text(header), justify="right", no_wrap=True, min_width=width, vertical="bottom"
            )
        for label, *numbers in cells:  # only labels give way where the terminal is narrow
            table.add_row(Text(label, no_wrap=True, overflow="ellipsis"), *map(Text, numbers))
        notes = [Text(note, style="dim") for note in (more, self.caption) if note]
        status = Text(self.verdict.status, style=STYLES[self.verdict.status])
        reasons = Table.grid(padding=(0, 1))
        for sentence in self.verdict.sentences:
            reasons.add_row("  -", Text(sentence))
        shown = [table] if cells else []
        return Group(*shown, *notes, Text(), Text("verdict: ") + status, reasons)

    def _repr_html_(self) -> str:
        """For notebooks."""
        cells, more = self._shown()
        names = ["", *map(str, self.table.columns)]
        body = pd.DataFrame(cells, columns=names).to_html(index=False, border=0)
        below = "".join(f"<pre>{escape(p)}</pre>" for p in (more, str(self.verdict)) if p)
        return f"<p>{escape(self.caption)}</p>{body}{below}"


def summarise(
    tree: xr.DataTree,
    *,
    kind: Kind,
    var_names: Sequence[str] | None = None,
    ci_prob: float = 0.90,
) -> Summary:
    """Summarise a fit.

    Args:
        tree: as `gendsl.runtime.results.build_tree` makes it. ``mcmc`` reads ``posterior`` and
            ``sample_stats``; ``exact`` reads ``exact_probabilities``, or without it independent
            draws in ``posterior``; ``point`` reads ``estimate`` and ``standard_error``. Root
            attributes that are used where given: ``method``, ``log_evidence``,
            ``max_tree_depth``, and of an optimiser ``converged``, ``gradient_norm``,
            ``iterations``, ``hessian_positive_definite``.
        kind: how the numbers came about.
        var_names: the variables to list; all by default. The verdict is on all in any case.
        ci_prob: the probability of the equal-tailed interval.

    Raises:
        DataError: an unknown variable, a probability outside (0, 1), or no such results.
    """
    if not 0 < ci_prob < 1:
        remedy = "0.9 asks for intervals of 90 %"
        raise _refusal("GD813", f"`ci_prob` must lie between 0 and 1, not {ci_prob}", remedy)
    match kind:
        case "mcmc":
            return _summarise_draws(tree, kind, var_names, ci_prob)
        case "exact" if EXACT in tree.children:
            return _summarise_probabilities(tree, var_names)
        case "exact":
            return _summarise_draws(tree, kind, var_names, ci_prob)
        case "point" if "constant" in tree.attrs:
            return _summarise_energy(tree, var_names, ci_prob)
        case "point" if "objective" in tree.attrs:
            return _summarise_likelihood(tree, var_names, ci_prob)
        case "point":
            return _summarise_point(tree, var_names, ci_prob)
        case "variational":
            return _summarise_variational(tree, var_names, ci_prob)
    assert_never(kind)


def _refusal(code: str, message: str, remedy: str | None = None) -> DataError:
    return DataError([Diagnostic(code, message, help=remedy)])


def _group(tree: xr.DataTree, name: str) -> xr.Dataset:
    if name not in tree.children:
        has = ", ".join(sorted(tree.children)) or "nothing"
        raise _refusal("GD812", f"the results have no group {name!r}; they hold {has}")
    return tree[name].to_dataset()


def _choose(dataset: xr.Dataset, var_names: Iterable[str] | None) -> list[str]:
    known = [str(n) for n in dataset.data_vars]
    chosen = known if var_names is None else list(var_names)
    for name in chosen:
        if name not in known:
            like = nearest(name, known)
            remedy = f"did you mean {like!r}?" if like else f"they have {', '.join(known)}"
            raise _refusal("GD811", f"the results have no variable {name!r}", remedy)
    return chosen


def _bounds(ci_prob: float) -> tuple[str, str]:
    tail = 50 * (1 - ci_prob)
    return f"{round(tail, 4):g}%", f"{round(100 - tail, 4):g}%"


def _summarise_draws(
    tree: xr.DataTree, kind: Kind, var_names: Sequence[str] | None, ci_prob: float
) -> Summary:
    posterior = _group(tree, "posterior")
    if not set(SAMPLE_DIMS) <= set(posterior.sizes):
        raise _refusal("GD812", "there is nothing to summarise: the posterior has no variables")
    chosen = _choose(posterior, var_names)
    independent = kind == "exact"
    found = diagnose(posterior, ci_prob, independent=independent)
    low, high = _bounds(ci_prob)
    rows = found.table.set_index("label").rename_axis(None)
    rows = pd.concat([rows[rows.variable == name] for name in chosen] or [rows[:0]])
    rows.loc[rows.nominal, ["sd", "low", "high", "mcse_sd"]] = np.nan
    columns = ["mean", "sd", "low", "high", "mcse_mean", "mcse_sd"]
    columns += [] if independent else ["ess_bulk", "ess_tail", "r_hat"]
    table = rows[columns].rename(columns={"low": low, "high": high})
    how = (
        f"{found.chains * found.draws} independent draws from the exact posterior."
        if independent
        else f"Posterior, estimated from {found.chains} "
        f"{'chain' if found.chains == 1 else 'chains'} of {found.draws} draws{_method(tree)}."
    )
    caption = f"{how} {_explain_draws(low, high, ci_prob, independent=independent)}"
    verdict = (
        judge_exact(found, tree.attrs) if independent else judge_draws(found, sampler_facts(tree))
    )
    return Summary(kind, table, caption, verdict)


def _summarise_variational(
    tree: xr.DataTree, var_names: Sequence[str] | None, ci_prob: float
) -> Summary:
    """Params as points, latents by draws from the guide."""
    low, high = _bounds(ci_prob)
    columns = ["mean", "sd", low, high]
    frames: dict[str, pd.DataFrame] = {}
    estimate = tree[ESTIMATE].to_dataset() if ESTIMATE in tree.children else xr.Dataset()
    for name, array in estimate.data_vars.items():
        values = array.to_numpy().astype(np.float64).ravel()
        frame = pd.DataFrame({"mean": values}, index=entry_labels(str(name), array))
        frames[str(name)] = frame.reindex(columns=columns)
    if "posterior" in tree.children:
        found = diagnose(tree["posterior"].to_dataset(), ci_prob, independent=True)
        rows = found.table.set_index("label").rename_axis(None)
        for name, part in rows.groupby("variable", sort=False):
            renamed = part.rename(columns={"low": low, "high": high})
            frames[str(name)] = renamed[columns]
    of_rows = _of_rows(tree) if var_names is None else {}
    chosen = [n for n in frames if n not in of_rows] if var_names is None else list(var_names)
    for name in chosen:
        if name not in frames:
            raise _refusal("GD811", f"the results have no variable {name!r}")
    table = pd.concat([frames[n] for n in chosen]) if chosen else pd.DataFrame(columns=columns)
    caption = (
        f"Approximate posterior{_method(tree)}: draws from the guide; the verdict says how "
        f"near it is."
    )
    if len(table):
        caption += (
            f" mean, sd: on each quantity's own scale; {low}, {high}: ends of "
            f"the equal-tailed {100 * ci_prob:g} % interval; params are points, without an sd."
        )
    caption += "".join(f" {text}" for text in of_rows.values())
    return Summary("variational", table, caption, judge_variational(tree.attrs))


ROWS = 20
"""Of latents with a law for each of more rows than this, a sentence is said instead of a table."""


def _of_rows(tree: xr.DataTree) -> dict[str, str]:
    """A sentence for each variable that has a law for each of many rows."""
    attrs = tree.attrs
    plate, rows = attrs.get("rows_of"), int(attrs.get("rows", 0))
    if plate is None or rows <= ROWS:
        return {}
    drawn = tree["posterior"].to_dataset() if "posterior" in tree.children else xr.Dataset()
    names = {str(n) for n, a in drawn.data_vars.items() if plate in a.dims}
    draws = prod(drawn.sizes.get(d, 1) for d in SAMPLE_DIMS)
    missing = {
        str(n): a.size // draws
        for n, a in drawn.data_vars.items()
        if str(n).endswith("_missing") and a.size > ROWS * draws
    }
    names |= {str(key).removeprefix("units ") for key in attrs if str(key).startswith("units ")}
    found = {}
    for name in sorted(names):
        text = f"`{name}` has a law for each of {rows} rows of `{plate}`, which `fit.encode` gives"
        if f"active {name}" in attrs:
            text += f": {attrs[f'active {name}']} of {attrs[f'units {name}']} units are active"
        if f"elbo kl.{name}" in attrs:
            text += f", KL {float(attrs[f'elbo kl.{name}']):.4g} nats a row"
        found[name] = f"{text}."
    for name, count in missing.items():
        value = name.removesuffix("_missing")
        text = f"`{value}` is missing {count} times, and has a law each time"
        found[name] = f"{text}, which `fit.encode` gives."
    return found


def _summarise_likelihood(
    tree: xr.DataTree, var_names: Sequence[str] | None, ci_prob: float
) -> Summary:
    """Params and networks that were learned by steps on the likelihood."""
    facts = in_bounds(tree.attrs)
    shown = _summarise_variational(tree, var_names, ci_prob)
    table = shown.table[["mean"]].rename(columns={"mean": "estimate"})
    caption = (
        f"Maximum likelihood{_method(tree)}: networks and params are points. Log likelihoods are "
        + ("lower bounds" if "dequantised" in tree.attrs else "exact")
        + ", in nats"
    )
    if "bits_per_dim" in tree.attrs:
        caption += f"; of all rows {float(tree.attrs['bits_per_dim']):.4f} bits/dim"
    return Summary("point", table, f"{caption}.", judge_variational(facts))


def _summarise_energy(
    tree: xr.DataTree, var_names: Sequence[str] | None, ci_prob: float
) -> Summary:
    """Params and networks of an energy, which were learned by steps."""
    table = _summarise_variational(tree, var_names, ci_prob).table[["mean"]]
    table = table.rename(columns={"mean": "estimate"})
    return Summary("point", table, energy_caption(tree.attrs), judge_energy(tree.attrs))


def _method(tree: xr.DataTree) -> str:
    return f" ({tree.attrs['method']})" if "method" in tree.attrs else ""


def _explain_draws(low: str, high: str, ci_prob: float, *, independent: bool) -> str:
    text = (
        "mean, sd: on each quantity's own scale, for P(…) the probability; "
        f"{low}, {high}: ends of the equal-tailed {100 * ci_prob:g} % interval; "
        "mcse: Monte Carlo standard error of mean and sd"
    )
    if independent:
        return text + "."
    return text + (
        "; ess: effective number of independent draws, for the bulk and for those ends; "
        "r_hat: rank-normalised split R-hat, 1 where the chains agree."
    )


def _summarise_probabilities(tree: xr.DataTree, var_names: Sequence[str] | None) -> Summary:
    exact = _group(tree, EXACT)
    records: dict[str, dict[str, object]] = {}
    values: list[str] = []
    for name in _choose(exact, var_names):
        array = exact[name]
        axis = array.dims[-1]
        support = array.coords[axis].to_numpy()
        numeric = support.dtype.kind in "biuf" and not _nominal(array)
        names = [str(v) for v in support.tolist()]
        values += [v for v in names if v not in values]
        labels = entry_labels(name, array.isel({axis: 0}, drop=True))
        rows = array.to_numpy().reshape(-1, len(support))
        for label, row in zip(labels, rows, strict=True):
            records[label] = _exact_row(row, support if numeric else None, names)
    table = pd.DataFrame.from_dict(records, orient="index")
    columns = ["mean", "sd", "mode", "P(mode)"]
    columns += [f"P({v})" for v in values] if len(values) <= MAX_VALUES else []
    table = table.reindex(columns=columns)
    caption = (
        f"Posterior, exact{_method(tree)}. mean, sd: where values are numbers and not "
        "categories; mode: the most probable value; P(…): its probability."
    )
    return Summary("exact", table, caption, judge_exact(None, tree.attrs))


def _nominal(array: xr.DataArray) -> bool:
    return str(array.attrs.get("support", "")).startswith("index")


def _exact_row(row: np.ndarray, support: np.ndarray | None, names: list[str]) -> dict[str, object]:
    best = int(row.argmax())
    record: dict[str, object] = {"mode": names[best], "P(mode)": float(row[best])}
    if support is not None:
        numbers = support.astype(np.float64)
        mean = float(row @ numbers)
        record |= {"mean": mean, "sd": float(np.sqrt(row @ (numbers - mean) ** 2))}
    return record | {f"P({v})": float(p) for v, p in zip(names, row, strict=True)}


def _summarise_point(
    tree: xr.DataTree, var_names: Sequence[str] | None, ci_prob: float
) -> Summary:
    estimate = _group(tree, ESTIMATE)
    known = tree[STANDARD_ERROR].to_dataset() if STANDARD_ERROR in tree.children else xr.Dataset()
    chosen = _choose(estimate, var_names)
    low, high = _bounds(ci_prob)
    reach = NormalDist().inv_cdf((1 + ci_prob) / 2)
    frames = {}
    for name, array in estimate.data_vars.items():
        centre = array.to_numpy().astype(np.float64).ravel()
        error = known[name].to_numpy().ravel() if name in known else np.full(centre.shape, np.nan)
        columns = {
            "estimate": centre,
            "std_error": error,
            low: centre - reach * error,
            high: centre + reach * error,
        }
        frames[str(name)] = pd.DataFrame(columns, index=entry_labels(str(name), array))
    everything = pd.concat(frames.values())
    table = pd.concat([frames[name] for name in chosen])
    caption = (
        f"Point estimate{_method(tree)}: the values at which the density is largest, not means. "
        "std_error: from the observed information, blank where unknown; "
        f"{low}, {high}: ends of the {100 * ci_prob:g} % interval of the normal approximation."
    )
    return Summary("point", table, caption, judge_point(everything, tree.attrs))
