"""A calibration as a folder of plain files, from which an interrupted one goes on.

``model.gen`` is the text, ``data.npz`` the inputs, ``calibration.json`` the settings with sums of
the other files, and ``replications.jsonl`` a line for each replication that is done, with a sum of
its own, so that a line cut short by a crash is seen and done again. When all are done,
``ranks.csv`` and ``quantities.csv`` hold the results for other programs.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from gendsl.runtime.calibration.records import Record, decoded, encoded
from gendsl.runtime.stored_files import (
    check_sum,
    decode_facts,
    encode_facts,
    read_arrays,
    read_bytes,
    refuse,
    write_arrays,
)

__all__ = ["FACTS", "Contents", "Folder", "is_calibration", "read_folder"]

FORMAT = "gendsl-calibration"
FORMAT_VERSION = 1

MODEL, DATA, FACTS, LINES = "model.gen", "data.npz", "calibration.json", "replications.jsonl"
RANKS, QUANTITIES = "ranks.csv", "quantities.csv"
OWNED = frozenset({MODEL, DATA, FACTS, LINES, RANKS, QUANTITIES, "plots"})
MAX_BYTES = 1 << 31
RUN_AGAIN = "copy the whole folder again, or calibrate again"


@dataclass(frozen=True, slots=True)
class Contents:
    """What determines every replication.

    Attributes:
        source_text: the model.
        source_name: what messages call its file.
        arrays: inputs, labels and the places of missing values, by section and name.
        facts: sizes, method, options, quantities, seed: all that JSON can hold.
    """

    source_text: str
    source_name: str
    arrays: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]

    @property
    def content_hash(self) -> str:
        """Equal for calibrations whose replications are the same."""
        digest = hashlib.sha256(self.source_text.encode())
        digest.update(json.dumps(self.facts, sort_keys=True).encode())
        for name in sorted(self.arrays):
            array = np.ascontiguousarray(self.arrays[name])
            digest.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()


def is_calibration(folder: str | Path) -> bool:
    """Whether a folder says that it is a calibration."""
    return (Path(folder) / FACTS).is_file()


class Folder:
    """Where a calibration that runs is kept: a context in which records are added.

    Attributes:
        path: of the folder.
        records: those that are done already.
    """

    def __init__(
        self, path: str | Path, contents: Contents, replications: int, *, resume: bool
    ) -> None:
        """Make the folder, or find it again.

        Args:
            path: a new or an empty folder, or with `resume` one that holds this calibration.
            contents: what determines the replications.
            replications: how many are wanted; more than an earlier run had, or fewer.
            resume: go on where an earlier one stopped.

        Raises:
            DataError: GD806, GD809 or GD841, the folder cannot or should not be written; GD803
                or GD804, it was damaged.
        """
        self.path, self._contents = Path(os.path.realpath(path)), contents
        self._replications = replications
        self.records: list[Record] = []
        self._lines: IO[str] | None = None
        try:
            self._prepare(resume=resume)
        except OSError as error:
            reason = error.strerror or str(error)
            raise refuse("GD809", f"cannot write {self.path}: {reason}") from error

    def _prepare(self, *, resume: bool) -> None:
        if self.path.exists() and not self.path.is_dir():
            message = f"{self.path} is a file, not a folder"
            raise refuse("GD806", message, "choose another folder")
        names = {e.name for e in self.path.iterdir()} if self.path.exists() else set()
        if not names:
            self._begin()
            return
        if FACTS not in names:
            message = f"{self.path} is not empty and not a calibration: it is left alone"
            raise refuse("GD806", message, "choose another folder")
        if not resume:
            remedy = (
                "`resume=True` (on the command line --resume) goes on with it; or choose another "
                "folder"
            )
            raise refuse("GD841", f"{self.path} holds a calibration already", remedy)
        found, self.records, _ = read_folder(self.path)
        if found.content_hash != self._contents.content_hash:
            what = _difference(found, self._contents)
            raise refuse(
                "GD841",
                f"the calibration in {self.path} is another one: it differs in {what}",
                "give the same model, inputs and options, or choose another folder",
            )
        text = "".join(f"{encoded(r)}\n" for r in self.records)
        _write_bytes(self.path / LINES, text.encode())  # without a line that was cut short
        self._write_facts({}, ())

    def _begin(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        _write_bytes(self.path / MODEL, self._contents.source_text.encode())
        write_arrays(self._contents.arrays, self.path / DATA)
        _write_bytes(self.path / LINES, b"")
        self._write_facts({}, ())

    def _write_facts(self, found: Mapping[str, Any], more: Iterable[str]) -> None:
        facts = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "source_name": self._contents.source_name,
            "content_hash": self._contents.content_hash,
            "facts": dict(self._contents.facts),
            "replications": self._replications,
            "found": dict(found),
            "files": {name: check_sum(self.path / name) for name in (MODEL, DATA, *more)},
        }
        _write_bytes(self.path / FACTS, encode_facts(facts))

    def __enter__(self) -> Self:
        """Open the file of records."""
        self._lines = (self.path / LINES).open("a", encoding="utf-8", newline="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it, whatever happened."""
        if self._lines is not None:
            self._lines.close()
            self._lines = None

    def add(self, record: Record) -> None:
        """Keep a record at once."""
        assert self._lines is not None
        self._lines.write(encoded(record) + "\n")
        self._lines.flush()

    def finish(self, found: Mapping[str, Any], ranks: str, quantities: str) -> None:
        """Write the results for other programs, and the sums of all files."""
        try:
            _write_bytes(self.path / RANKS, ranks.encode())
            _write_bytes(self.path / QUANTITIES, quantities.encode())
            self._write_facts(found, (LINES, RANKS, QUANTITIES))
        except OSError as error:
            reason = error.strerror or str(error)
            raise refuse("GD809", f"cannot write {self.path}: {reason}") from error


def _write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _difference(one: Contents, other: Contents) -> str:
    """What differs between two calibrations, in words."""
    found = []
    if one.source_text != other.source_text:
        found.append("the model")
    arrays = one.arrays.keys() == other.arrays.keys() and all(
        np.array_equal(a, other.arrays[n]) for n, a in one.arrays.items()
    )
    found += [] if arrays else ["the inputs"]
    found += [n for n in other.facts if one.facts.get(n) != other.facts[n]]
    return ", ".join(found) or "how it was written"


def read_folder(folder: str | Path) -> tuple[Contents, list[Record], int]:
    """Read a calibration, finished or not.

    Returns:
        What determines it, the records in the order of their numbers, and how many replications
        were wanted.

    Raises:
        DataError: GD801, the folder is none; GD802 to GD805 or GD808, it was damaged.
    """
    where = Path(folder)
    if not is_calibration(where):
        message = f"{where} is not a calibration: it has no {FACTS}"
        remedy = "a calibration is a folder that `gendsl calibrate --out` wrote"
        raise refuse("GD801", message, remedy)
    facts = decode_facts(where / FACTS)
    if facts.get("format") != FORMAT or not isinstance(facts.get("facts"), dict):
        raise refuse("GD801", f"{where / FACTS} does not describe a calibration of gendsl")
    if facts.get("format_version") != FORMAT_VERSION:
        message = f"{where} has format {facts.get('format_version')!r}"
        raise refuse("GD805", f"{message}; this gendsl reads {FORMAT_VERSION}", "upgrade gendsl")
    sums = facts.get("files")
    for name, recorded in sums.items() if isinstance(sums, dict) else ():
        if name in (MODEL, DATA) and check_sum(where / name) != recorded:
            raise refuse("GD804", f"{where / name} was changed since it was written", RUN_AGAIN)
    text = read_bytes(where / MODEL, MAX_BYTES).decode()
    name = str(facts.get("source_name"))
    contents = Contents(text, name, read_arrays(where / DATA), facts["facts"])
    if contents.content_hash != facts.get("content_hash"):
        message = f"{where / FACTS} is not that of these files"
        raise refuse("GD804", message, RUN_AGAIN)
    replications = facts.get("replications")
    if not isinstance(replications, int) or isinstance(replications, bool):
        raise refuse("GD803", f"{where / FACTS} is damaged: 'replications' is no whole number")
    return contents, _records(where / LINES), replications


def _records(path: Path) -> list[Record]:
    """The records of a file of lines; a last line without an end was cut short.

    Raises:
        DataError: GD803, another line is damaged.
    """
    lines = read_bytes(path, MAX_BYTES).decode(errors="replace").split("\n")
    found: dict[int, Record] = {}
    for position, line in enumerate(lines):
        record = decoded(line) if line else None
        last = position == len(lines) - 1
        if record is not None and not last:
            found[record.number] = record
        elif not last:
            message = f"{path} is damaged at line {position + 1}"
            raise refuse("GD803", message, RUN_AGAIN)
    return [found[n] for n in sorted(found)]
