"""Fit every example to its data, and draw the plots of the gallery.

``python examples/write_pictures.py [NAME ...]`` keeps the runs in `build/runs`; a run that is
newer than its model and its data is not repeated. The plots go to `docs/images`.
"""

import logging
import sys
from io import BytesIO

from catalogue import FOLDER, data_of, entries, files_of
from PIL import Image

import gendsl
from gendsl.inspection import plots

RUNS = FOLDER.parent / "build" / "runs"
IMAGES = FOLDER.parent / "docs" / "images"
DPI, COLOURS = 100, 48
LARGEST = 60_000
"""How many bytes a picture may have."""


def sources(name):
    """The files on which a run depends."""
    files = files_of(name)
    return [
        FOLDER / name / "model.gen",
        *(files.values() if isinstance(files, dict) else [files]),
    ]


def run(name):
    """The saved fit of an example, made where there is none or it is old."""
    folder, entry = RUNS / name, entries()[name]
    if folder.is_dir():
        made = folder.stat().st_mtime
        if all(path.stat().st_mtime <= made for path in sources(name)):
            return gendsl.load_fit(folder)
    fit = gendsl.load(FOLDER / name / "model.gen").fit(
        data_of(name), columns=entry.get("columns"), seed=entry.get("seed", 1), progress=False
    )
    print(name, fit.summary().verdict.status)
    fit.save(folder, overwrite=True)
    return fit


def picture(name):
    """The plot of the gallery, as a PNG file of few colours."""
    entry, fit = entries()[name], run(name)
    if entry["plot"] == "predictive":
        figure = plots.plot_predictive(fit.with_predictive().tree, entry.get("shown"))
    else:
        figure = plots.plot_forest(fit.tree, entry.get("shown"))
    drawn, reduced = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI, metadata={"Software": None})
    few = Image.open(drawn).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(reduced, format="png", optimize=True)
    return reduced.getvalue()


def main(names):
    """Draw what is named, or everything."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of its font cache
    RUNS.mkdir(parents=True, exist_ok=True)
    for name in names or entries():
        content = picture(name)
        if len(content) > LARGEST:
            raise ValueError(f"the picture of {name} has {len(content)} bytes")
        target = IMAGES / f"{name}-{entries()[name]['plot']}.png"
        target.write_bytes(content)
        print(f"wrote {target.name}, {len(content)} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
