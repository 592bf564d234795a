"""`Calibration`: ranks of true parameters among posterior draws, and what they say."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gendsl import arguments
from gendsl.compiler import Compiled, replan
from gendsl.diagnostics import DataError, Diagnostic
from gendsl.frontend import CheckedModel
from gendsl.inspection.calibration_plot import Panel, plot_ecdf, plot_histogram
from gendsl.inspection.figure import write_figure
from gendsl.runtime.calibration.judging import LEVELS, Found, ranks_of, summarised
from gendsl.runtime.calibration.quantities import Quantity
from gendsl.runtime.calibration.records import Record
from gendsl.runtime.calibration.running import (
    Conditions,
    contents_of,
    records_of,
    short_options,
    study_of,
    verify_calibratable,
)
from gendsl.runtime.calibration.store import Contents, Folder, read_folder
from gendsl.runtime.calibration.uniformity import Coverage, band
from gendsl.runtime.data import BoundData
from gendsl.runtime.verdict import Verdict

__all__ = ["Calibration", "Conditions", "calibrated", "load_calibration", "planned"]

WIDTH = 98
"""Characters in a line of the caption."""

BAND = 0.95
"""The probability with which the ECDF of uniform ranks stays in the band of a picture."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """The answer of a simulation-based calibration.

    Attributes:
        contents: model, inputs and settings: what determines the replications.
        quantities: what was ranked.
        records: the replications that were run.
        replications: how many were asked for.
        interrupted: whether an interrupt came before all were run.
    """

    contents: Contents
    quantities: tuple[Quantity, ...]
    records: tuple[Record, ...]
    replications: int
    interrupted: bool = False

    def __repr__(self) -> str:
        """``<gendsl calibration of schools.gen by nuts: good>``."""
        method = self.contents.facts["method"]
        name = self.contents.source_name
        return f"<gendsl calibration of {name} by {method}: {self.verdict.status}>"

    @property
    def kept(self) -> int:
        """How many thinned draws the truth was ranked among."""
        return int(self.contents.facts["kept"])

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """The rank, from 0 to `kept`, of each quantity; a row for each that did not fail."""
        labels = [q.label for q in self.quantities]
        done = [r.number for r in self.records if r.state == "done"]
        index = pd.Index(done, name="replication")
        return pd.DataFrame(self._ranks(), index=index, columns=labels)

    def _ranks(self) -> NDArray[np.int64]:
        return ranks_of(self.records, len(self.quantities))

    @cached_property
    def _found(self) -> Found:
        return summarised(self.quantities, self.records, self.kept, self.replications)

    @property
    def table(self) -> pd.DataFrame:
        """A row a quantity: the p-value of uniform ranks, coverage, z-scores, contraction."""
        return self._found.table

    @property
    def p_value(self) -> float:
        """The probability at most that a correct method deviates so far in some quantity."""
        return self._found.p_value

    @property
    def verdict(self) -> Verdict:
        """Whether the method is calibrated on this model, in words."""
        return self._found.verdict

    @property
    def caption(self) -> str:
        """What was done, and what each column is."""
        done = [r for r in self.records if r.state == "done"]
        facts = self.contents.facts
        lengthened = sum(r.lengthened > 1 for r in done)
        again = f" (for {lengthened} data sets out of more than at first)" if lengthened else ""
        thinned = (
            f"thinned to {self.kept}{again}"
            if any(r.effective is not None for r in done)
            else f"{self.kept} of them, independent"
        )
        ranges = ", ".join(self._expected(level) for level in LEVELS)
        return (
            f"Simulation-based calibration ({facts['method']}): {len(done)} data sets drawn from "
            f"the model, true values ranked among draws of the posterior, {thinned}. p_value: of "
            "uniform ranks, by the simultaneous band of their ECDF, for each quantity alone; "
            f"covered: how often central intervals held the truth, expected {ranges}; z: "
            "(posterior mean - truth) / sd, its mean and sd; contraction: 1 - posterior variance "
            "/ prior variance, the median."
        )

    def _expected(self, level: float) -> str:
        count = len(self._ranks())
        if not count:
            return "nothing"
        low, high = Coverage(level, self.kept).expected(count)
        return f"{low:.2f} to {high:.2f}"

    def __str__(self) -> str:
        """Plain text: caption, table, verdict."""
        rows = [["", *map(str, self.table.columns)]]
        for label, row in self.table.iterrows():
            rows.append([str(label), *(_cell(str(c), v) for c, v in row.items())])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
            for row in rows
        ]
        caption = textwrap.fill(self.caption, WIDTH, break_on_hyphens=False)
        return "\n".join([caption, "", *lines, "", str(self.verdict)])

    def _repr_html_(self) -> str:
        """For notebooks."""
        shown = self.table.apply(lambda column: column.map(lambda v: _cell(str(column.name), v)))
        body = shown.to_html(border=0)
        return f"<p>{escape(self.caption)}</p>{body}<pre>{escape(str(self.verdict))}</pre>"

    def plot(self, kind: str = "ecdf", quantities: Sequence[str] | None = None) -> Figure:
        """A picture of the ranks.

        Args:
            kind: ``ecdf``, the difference of their ECDF and that of uniform ranks, with a
                simultaneous band; or ``histogram``.
            quantities: labels of those to show; all by default.

        Raises:
            DataError: GD811, GD812 or GD816: no such quantity, no ranks, no such plot.
        """
        makers: dict[str, Callable[..., Figure]] = {"ecdf": plot_ecdf, "histogram": plot_histogram}
        if kind not in makers:
            remedy = f"the plots are {', '.join(makers)}"
            message = f"no plot of a calibration is called {kind!r}"
            raise DataError([Diagnostic("GD816", message, help=remedy)])
        labels = [q.label for q in self.quantities]
        for name in quantities or ():
            if name not in labels:
                remedy = f"it has {', '.join(labels)}"
                message = f"the calibration has no quantity {name!r}"
                raise DataError([Diagnostic("GD811", message, help=remedy)])
        ranks = self._ranks()
        if not len(ranks):
            raise DataError([Diagnostic("GD812", "there is nothing to plot: no ranks")])
        wanted = [k for k, q in enumerate(labels) if quantities is None or q in quantities]
        p_values = self.table.p_value.to_numpy()
        panels = [Panel(labels[k], ranks[:, k], float(p_values[k])) for k in wanted]
        return makers[kind](panels, self.kept, band(len(ranks), self.kept, BAND))

    def save_plots(self, folder: str | Path) -> list[Path]:
        """Write ``ecdf.png`` and ``histogram.png``; each appears whole or not at all."""
        target = Path(folder)
        return [
            write_figure(self.plot(kind), target / f"{kind}.png") for kind in ("ecdf", "histogram")
        ]

    def save(self, folder: str | Path) -> Path:
        """Write it to a new or an empty folder of plain files, as ``calibrate(out=...)`` does.

        Raises:
            DataError: GD806, GD809 or GD841, the folder cannot or should not be written.
        """
        arguments.file_path("folder", folder)
        kept = Folder(folder, self.contents, self.replications, resume=False)
        with kept:
            for record in self.records:
                kept.add(record)
        self._finish(kept)
        return kept.path

    def _finish(self, folder: Folder) -> None:
        """Write the results for other programs."""
        states = pd.DataFrame(
            {
                "replication": [r.number for r in self.records],
                "state": [r.state for r in self.records],
                "lengthened": [r.lengthened for r in self.records],
                "effective": [r.effective for r in self.records],
                "r_hat": [r.r_hat for r in self.records],
                "divergences": [r.divergences for r in self.records],
            }
        ).set_index("replication")
        joined = states.join(self.ranks.astype("Int64"))
        found = {
            "p_value": self.p_value,
            "verdict": self.verdict.status,
            "sentences": list(self.verdict.sentences),
        }
        folder.finish(found, joined.to_csv(), self.table.rename_axis("quantity").to_csv())


def _cell(column: str, value: float) -> str:
    if value != value:
        return "–"
    if column == "p_value":
        return f"{value:.2g}" if value >= 1e-12 else "<1e-12"
    return f"{value:.2f}"


def planned(
    checked: CheckedModel,
    kept: int,
    infer: str | None,
    options: Mapping[str, float],
    treat: Mapping[str, str] | None,
) -> Compiled:
    """The model with a plan for short fits.

    Raises:
        CompileError: the method cannot be used, or an option is wrong.
        DataError: GD840, the question makes no sense for the model or the method.
    """
    compiled = replan(checked, infer, options, treat)
    verify_calibratable(compiled)
    method = compiled.plan.method
    assert method is not None
    return replan(checked, method, short_options(method, kept, options), treat)


def calibrated(
    compiled: Compiled,
    inputs: BoundData,
    conditions: Conditions,
    *,
    quantities: Sequence[str] | None = None,
    out: str | Path | None = None,
    resume: bool = False,
) -> Calibration:
    """Run the replications that are not done yet, and judge.

    Args:
        compiled: from `planned`.
        inputs: bound to simulate.
        conditions: how it is run.
        quantities: what is ranked; by default a few entries of all latents, and densities.
        out: the folder that keeps it.
        resume: go on with what the folder holds.

    Raises:
        DataError: nothing can be drawn from the model, an unknown quantity, or the folder cannot
            or should not be written.
    """
    study = study_of(compiled, inputs, quantities, conditions)
    contents = contents_of(study)
    folder = None
    if out is not None:
        folder = Folder(out, contents, conditions.replications, resume=resume)
    records, interrupted = records_of(study, conditions, folder)
    found = Calibration(
        contents, study.quantities, tuple(records), conditions.replications, interrupted
    )
    if folder is not None:
        found._finish(folder)
    return found


def load_calibration(folder: str | Path) -> Calibration:
    """Read what ``calibrate(out=...)`` or `Calibration.save` wrote, finished or not.

    Raises:
        DataError: GD801, the folder is none; GD802 to GD805 or GD808, it was damaged.
    """
    arguments.file_path("folder", folder)
    contents, records, replications = read_folder(folder)
    quantities = tuple(
        Quantity(label, variable, tuple(entry), discrete)
        for label, variable, entry, discrete in contents.facts["quantities"]
    )
    return Calibration(contents, quantities, tuple(records), replications)
