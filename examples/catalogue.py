"""The table of the examples, `examples.toml`: how each is drawn, checked and given its data.

Its entries, all optional but the first:

kind: the heading of the gallery under which the example stands.
plot: the plot of the gallery, ``forest`` or ``predictive``, and ``shown``, its variables.
data: the file with the data, or a file for each plate; ``data.csv`` by default.
columns: the columns that hold a variable, as `Model.fit` takes them.
headline: the quantities that a fit to data simulated from the model must recover; such an example
    has no known answer.
reaches: nats a row of the evidence lower bound that a fit to the data on file must reach; such an
    example learns networks, and has no other answer.
seed: of the simulation, and of all random numbers of the fit.
options: of the method, where the default will not do.
exception: why the verdict on that fit is not ``good``.
"""

import tomllib
from pathlib import Path

import pandas as pd

__all__ = ["FOLDER", "answered", "bound", "data_of", "entries", "files_of", "learned", "simulated"]

FOLDER = Path(__file__).resolve().parent


def entries():
    """Every example's entry by its name, in the order of the gallery."""
    return tomllib.loads((FOLDER / "examples.toml").read_text(encoding="utf-8"))


def answered():
    """The examples with a known answer, in alphabetical order."""
    others = {*simulated(), *learned()}
    return sorted(name for name in entries() if name not in others)


def simulated():
    """The examples that are checked by simulation, in alphabetical order."""
    return sorted(name for name, entry in entries().items() if "headline" in entry)


def learned():
    """The examples that learn networks, in alphabetical order."""
    return sorted(name for name, entry in entries().items() if "reaches" in entry)


def data_of(name):
    """An example's data as `Model.fit` takes them: a path, or a table for each plate."""
    named = files_of(name)
    if isinstance(named, dict):
        return {plate: pd.read_csv(path) for plate, path in named.items()}
    return named


def files_of(name):
    """The path of an example's data, or a path for each plate."""
    named = entries()[name].get("data", "data.csv")
    if isinstance(named, dict):
        return {plate: FOLDER / name / file for plate, file in named.items()}
    return FOLDER / name / named


def bound(model, name, purpose="fit"):
    """The example's data, bound to its model."""
    return model.bind(data_of(name), columns=entries()[name].get("columns"), purpose=purpose)
