"""The results as text; ``python benchmarks/mcmc/table.py [RESULTS]`` prints those of a run."""

import json
import sys
from collections import Counter
from pathlib import Path

import judging
import numpy as np
from cases import CASES
from rich.console import Console
from rich.table import Table
from systems import SYSTEMS

GOAL = 5.0
"""Times the best peer: what gendsl aims at."""

WIDTH = 200
"""Of the tables, in characters."""

HIGH = 1.01
"""An R-hat above this is marked."""

RATES = {
    ("cpu", False): "ESS/CPU-s",
    ("cpu", True): "with compile",
    ("wall", False): "ESS/s",
    ("wall", True): "with compile ",
}
"""By clock, and whether compilation is counted."""


def compile_seconds(cell, clock):
    return float(np.median([c[clock] for c in cell["compiles"]]))


def seconds(run, clock, name):
    """The time of sampling; for Stan that of its own clock if that is less than PyStan's."""
    own = run.get("own_clock") if name == "stan" and clock == "cpu" else None
    return min(run[clock], own) if own else run[clock]


def rate(cell, name, clock, *, compile):
    """Least effective draws a second, the median over the seeds; None without a run."""
    if not cell["runs"] or not cell["compiles"]:
        return None
    extra = compile_seconds(cell, clock) if compile else 0.0
    rates = [r["ess"] / (seconds(r, clock, name) + extra) for r in cell["runs"]]
    return float(np.median(rates))


def median(cell, key):
    known = [r[key] for r in cell["runs"] if r.get(key) is not None]
    return float(np.median(known)) if known else None


def number(value):
    """Three digits that count."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def agreement(cells, name):
    """Whether the means agree with those of gendsl."""
    if name == "gendsl" or not cells.get("gendsl", {}).get("runs"):
        return ""
    found = judging.disagreement(cells["gendsl"]["runs"], cells[name]["runs"])
    word = "DIFFER" if found["differs"] else "agree"
    return f"{word} ({found['distance']:.1f} se, {found['quantity']})"


def row(cells, name):
    cell = cells[name]
    rhat, runs = median(cell, "rhat"), len(cell["runs"])
    marked = f"{rhat:.3f}{'!' if rhat > HIGH else ''}"
    return [
        SYSTEMS[name].title + (" (reused)" if "reused" in cell else ""),
        str(runs),
        number(median(cell, "ess")),
        Counter(r["slowest"] for r in cell["runs"]).most_common(1)[0][0],
        marked,
        number(median(cell, "divergences")),
        number(compile_seconds(cell, "cpu")),
        number(compile_seconds(cell, "wall")),
        number(median(cell, "cpu")),
        number(median(cell, "wall")),
        *(number(rate(cell, name, clock, compile=c)) for clock, c in RATES),
        agreement(cells, name),
    ]


def print_case(case, cells):
    """One model, a line for each system."""
    shown = Table(title=CASES[case].title, title_justify="left")
    for heading in ("system", "seeds", "min ESS", "of", "R-hat", "div."):
        shown.add_column(heading, justify="left" if heading in ("system", "of") else "right")
    for heading in ("compile CPU s", "wall s", "sample CPU s", "wall s "):
        shown.add_column(heading, justify="right")
    for heading in RATES.values():
        shown.add_column(heading, justify="right")
    shown.add_column("means", no_wrap=True)
    for name in cells:
        if cells[name]["runs"] and cells[name]["compiles"]:
            shown.add_row(*row(cells, name))
    Console(width=WIDTH).print(shown)
    for name, cell in cells.items():
        if cell["problem"] is not None:
            done = f"{len(cell['runs'])} seeds were done"
            print(f"  {SYSTEMS[name].title}: {cell['problem']}; {done}")


def best(cells, clock, *, compile):
    """The peer with the highest rate, and its rate."""
    rates = {n: rate(c, n, clock, compile=compile) for n, c in cells.items() if n != "gendsl"}
    known = {n: r for n, r in rates.items() if r is not None}
    return max(known.items(), key=lambda item: item[1]) if known else None


def ratio(cells, clock, *, compile):
    """gendsl's rate over that of the best peer, in words."""
    ours = rate(cells["gendsl"], "gendsl", clock, compile=compile) if "gendsl" in cells else None
    other = best(cells, clock, compile=compile)
    if ours is None or other is None:
        return "-"
    times = ours / other[1]
    mark = "" if times >= GOAL else " *"
    return f"{times:.1f}x {SYSTEMS[other[0]].title}{mark}"


def print_summary(found):
    """Ratios to the best peer of each model, and how to read them."""
    shown = Table(title="gendsl over the best peer (* below the goal)", title_justify="left")
    shown.add_column("model")
    for heading in ("CPU, compile included", "CPU, sampling", "wall, compile included"):
        shown.add_column(heading)
    shown.add_column("wall, sampling")
    for case, cells in found["cells"].items():
        cpu = [ratio(cells, "cpu", compile=c) for c in (True, False)]
        wall = [ratio(cells, "wall", compile=c) for c in (True, False)]
        shown.add_row(CASES[case].title, *cpu, *wall)
    console = Console(width=WIDTH)
    console.print(shown)
    for line in NOTES:
        print(f"- {line}")
    where = found["machine"]
    print(f"{where['cpu']}, {where['cores']} cores, load {where['load']:.1f} at the start")


NOTES = (
    "Rates are the least bulk effective sample size over all unknowns that the model names, "
    "divided by seconds; medians over the seeds.",
    "Imports are excluded. Compilation starts from empty caches; sampling is that of a model that "
    "was sampled before in the same process, all that the system does between call and draws.",
    "gendsl recovers in that time what it summed or integrated out, the labels of the mixture and "
    "the states of the chain too; the peers leave these out.",
    "Stan's rate per CPU second uses its own clock of warm-up and sampling where that tells less "
    "than PyStan's time, so that the cost of PyStan's server does not count.",
    "All compute in 64-bit floats, with one thread for each chain.",
    f"R-hat above {HIGH} is marked !; rates with it mean little.",
)


def main():
    default = Path(__file__).parents[1] / "results" / "mcmc.json"
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    found = json.loads(path.read_text(encoding="utf-8"))
    for case, cells in found["cells"].items():
        print_case(case, cells)
    print_summary(found)


if __name__ == "__main__":
    main()
