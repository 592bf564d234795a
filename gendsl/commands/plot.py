"""``gendsl plot``: pictures of a model, a run or a calibration."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from gendsl.commands.arguments import Command, Parser, UsageError, number, one_of
from gendsl.commands.output import replace_file, verify_folder, verify_target
from gendsl.commands.reporting import checked_model, say
from gendsl.commands.saved_runs import read_run
from gendsl.diagnostics import DataError, Diagnostic
from gendsl.frontend import CheckedModel, check
from gendsl.syntax.reading import source_from_text

if TYPE_CHECKING:
    import xarray as xr

    from gendsl.runtime.checkpoint import SavedRun

__all__ = ["COMMAND"]

RESULTS = ("trace", "rank", "forest", "predictive")
OF_LEARNING = ("training", "samples", "reconstructions", "interpolation", "latents")
OF_RANKS = ("ecdf", "histogram")
KINDS = (*RESULTS, *OF_LEARNING, *OF_RANKS, "graph", "all")


def _declare(parser: Parser) -> None:
    parser.files.add_argument(
        "what",
        metavar="RUN|FILE",
        help="a folder that `gendsl fit --out` or `gendsl calibrate --out` wrote, or a model file",
    )
    add = parser.choices.add_argument
    add(
        "--kind",
        type=one_of(*KINDS),
        default="all",
        metavar="KIND",
        help=f"{', '.join(KINDS)} (the default: all that suit)",
    )
    add(
        "-o",
        "--output",
        metavar="DIR",
        help="the folder for the pictures: for a run RUN/plots, for a model the current folder",
    )
    add("--overwrite", action="store_true", help="replace pictures that exist")
    pixels = number(1, 10**5, integer=True)
    add("--height", type=pixels, metavar="N", help="of images that are vectors and no squares")
    add("--width", type=pixels, metavar="N", help="of such images")
    add("--label", metavar="NAME", help="latents: the variable of the data that gives colours")


def _run(arguments: argparse.Namespace) -> int:
    path = Path(arguments.what)
    if path.suffix == ".gen" or path.is_file():
        written = _plot_model(path, arguments)
    elif (path / "calibration.json").is_file():
        written = _plot_calibration(path, arguments)
    else:
        written = _plot_run(path, arguments)
    for picture in written:
        print(f"wrote {picture}")
    return 0


def _plot_model(path: Path, arguments: argparse.Namespace) -> list[Path]:
    if arguments.kind not in ("graph", "all"):
        raise UsageError(f"`--kind {arguments.kind}` needs a run, not a model file")
    target = Path(arguments.output or ".") / f"{path.stem}.svg"
    if target.parent.is_dir():
        verify_target(str(target), overwrite=arguments.overwrite, inputs=[str(path)])
    return [_write(target, _diagram(checked_model(str(path))))]


def _plot_calibration(path: Path, arguments: argparse.Namespace) -> list[Path]:
    if arguments.kind not in (*OF_RANKS, "graph", "all"):
        raise UsageError(f"`--kind {arguments.kind}` needs a run, not a calibration")
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of its font cache
    from gendsl.calibration import load_calibration
    from gendsl.inspection.figure import png

    calibration = load_calibration(path)
    folder = Path(arguments.output) if arguments.output else path / "plots"
    wanted = [*OF_RANKS, "graph"] if arguments.kind == "all" else [arguments.kind]
    names = [f"{kind}.{'svg' if kind == 'graph' else 'png'}" for kind in wanted]
    _verify_pictures(folder, names, arguments)
    contents = calibration.contents
    source = source_from_text(contents.source_text, contents.source_name)
    pictures = [
        _diagram(check(source)) if kind == "graph" else png(calibration.plot(kind))
        for kind in wanted
    ]
    return [_write(folder / name, p) for name, p in zip(names, pictures, strict=True)]


def _verify_pictures(folder: Path, names: list[str], arguments: argparse.Namespace) -> None:
    if folder.is_dir() and arguments.output:
        for name in names:
            verify_target(str(folder / name), overwrite=arguments.overwrite)


def _plot_run(path: Path, arguments: argparse.Namespace) -> list[Path]:
    if arguments.kind in OF_RANKS:
        raise UsageError(f"`--kind {arguments.kind}` needs a calibration, not a run")
    run = read_run(str(path))
    folder = Path(arguments.output) if arguments.output else path / "plots"
    learned = "training" in run.tree.children
    kinds = (*RESULTS, *OF_LEARNING) if learned else RESULTS
    wanted = [*kinds, "graph"] if arguments.kind == "all" else [arguments.kind]
    names = [f"{kind}.{'svg' if kind == 'graph' else 'png'}" for kind in wanted]
    _verify_pictures(folder, names, arguments)
    pictures: dict[str, bytes] = {}
    for kind, name in zip(wanted, names, strict=True):
        content = _picture(run, kind, arguments, only=len(wanted) == 1)
        if content is not None:
            pictures[name] = content
    return [_write(folder / name, content) for name, content in pictures.items()]


def _picture(
    run: SavedRun, kind: str, arguments: argparse.Namespace, *, only: bool
) -> bytes | None:
    """One picture, or None where the results do not hold what it shows and others are wanted."""
    if kind == "graph":
        return _diagram(check(source_from_text(run.source_text, run.source_name)))
    try:
        return _learned(run, kind, arguments) if kind in OF_LEARNING else _result(run, kind)
    except DataError as error:
        from gendsl.learned_fit import UNSUITED

        if only or error.diagnostics[0].code not in ("GD812", "GD814", *UNSUITED):
            raise
        if kind in OF_LEARNING:
            say(f"no {kind}.png: {error.diagnostics[0].message}")
        return None


def _learned(run: SavedRun, kind: str, arguments: argparse.Namespace) -> bytes:
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of its font cache
    from gendsl.commands.learned_runs import learned_run
    from gendsl.inspection.figure import png

    fit = learned_run(str(run.folder))
    label = arguments.label if kind == "latents" else None
    return png(fit.plot(kind, label=label, height=arguments.height, width=arguments.width))


def _result(run: SavedRun, kind: str) -> bytes:
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of its font cache
    from gendsl.inspection import plots
    from gendsl.inspection.figure import png

    makers = {
        "trace": plots.plot_trace,
        "rank": plots.plot_rank,
        "forest": plots.plot_forest,
        "predictive": plots.plot_predictive,
    }
    _verify_suits(run, kind)
    tree = _with_replications(run) if kind == "predictive" else run.tree
    return png(makers[kind](tree))


def _verify_suits(run: SavedRun, kind: str) -> None:
    """Refuse pictures of chains where there are none."""
    if kind in ("trace", "rank") and run.tree.attrs.get("kind") != "mcmc":
        message = f"a {kind} plot shows chains, and this result has none"
        raise DataError(
            [Diagnostic("GD812", message, help="leave `--kind` out to draw what suits it")]
        )
    if kind == "rank" and run.tree["posterior"].sizes.get("chain", 0) < 2:
        message = "a rank plot compares chains, and there is one"
        raise DataError([Diagnostic("GD812", message, help="fit with more chains")])


def _with_replications(run: SavedRun) -> xr.DataTree:
    from gendsl.model import load_fit

    return load_fit(run.folder).with_predictive().tree


def _diagram(checked: CheckedModel) -> bytes:
    from gendsl.graph.build import build_graph
    from gendsl.inspection.diagram import plate_diagram_svg

    return plate_diagram_svg(build_graph(checked.ir)).encode("utf-8")


def _write(path: Path, content: bytes) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror or error}"
        raise DataError([Diagnostic("GD809", message)]) from error
    verify_folder(path.parent, str(path))
    replace_file(path, content)
    return path


COMMAND = Command(
    "plot",
    "RUN|FILE [--kind KIND] [-o DIR]",
    "Draw a run: the chains, the intervals, a predictive check (PNG), and the plate diagram\n"
    "(SVG); of a learned model also the training, samples, reconstructions and codes. Of a\n"
    "calibration, draw the ranks; of a model file, the plate diagram. Nothing in another folder\n"
    "than the run's is replaced without --overwrite.",
    (
        ("gendsl plot run", "every picture, in run/plots"),
        ("gendsl plot run --kind forest -o figures", "one of them, elsewhere"),
        ("gendsl plot model.gen -o figures", "the plate diagram, figures/model.svg"),
    ),
    _declare,
    _run,
)
