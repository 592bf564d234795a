"""Labelled arrays as files: .npz, .csv or .nc."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gendsl.commands.arguments import Parser, UsageError
from gendsl.commands.output import replace_file, verify_target

if TYPE_CHECKING:
    import argparse

    import xarray as xr

__all__ = ["declare_output", "verify_output", "write_dataset"]

KINDS = (".npz", ".csv", ".nc")


def declare_output(parser: Parser, what: str) -> None:
    """Add ``-o`` and ``--overwrite`` to a command that writes `what`."""
    add = parser.choices.add_argument
    add(
        "-o",
        "--output",
        metavar="FILE",
        required=True,
        help=f"where to write {what}: a .npz file (arrays), .csv (a line a row) or .nc (labelled)",
    )
    add("--overwrite", action="store_true", help="replace the file if it exists")


def verify_output(arguments: argparse.Namespace, inputs: list[str]) -> None:
    """Refuse an output that cannot or should not be written, before any work is done."""
    if Path(arguments.output).suffix not in KINDS:
        raise UsageError(f"-o: expected a name that ends in {', '.join(KINDS)}")
    verify_target(arguments.output, overwrite=arguments.overwrite, inputs=inputs)
    folder = Path(arguments.output).resolve().parent
    if folder == Path(arguments.run).resolve():
        raise UsageError("-o: results go elsewhere than into the run's folder")


def write_dataset(found: xr.Dataset, output: str, plate: str | None) -> None:
    """Write labelled arrays; in a .csv a line has a row of `plate`, and all entries of its own."""
    path = Path(output)
    if path.suffix == ".nc":
        from xarray import DataTree

        from gendsl.runtime.checkpoint import save_tree

        save_tree(DataTree.from_dict({"found": found}), path)
    elif path.suffix == ".npz":
        import numpy as np

        packed = io.BytesIO()
        np.savez_compressed(packed, **{str(n): a.to_numpy() for n, a in found.data_vars.items()})  # type: ignore[arg-type]
        replace_file(path, packed.getvalue())
    else:
        replace_file(path, _lines(found, plate).encode("utf-8"))


def _lines(found: xr.Dataset, plate: str | None) -> str:
    import pandas as pd

    from gendsl.inspection.figure import entry_labels

    columns: dict[str, Any] = {}
    for name, array in found.data_vars.items():
        own = array.expand_dims(plate) if plate and plate not in array.dims else array
        rows = own.transpose(plate, ...) if plate else own.expand_dims("row")
        flat = rows.to_numpy().reshape(len(rows), -1)
        labels = entry_labels(str(name), rows[0])
        columns |= dict(zip(labels, flat.T, strict=True))
    longest = max(map(len, columns.values()), default=0)
    whole = {n: v if len(v) == longest else v.repeat(longest) for n, v in columns.items()}
    table = pd.DataFrame(whole)
    if plate:
        members = found[plate].to_numpy() if plate in found.coords else range(longest)
        table.insert(0, plate, members)
    return str(table.to_csv(index=False, float_format="%.8g"))
