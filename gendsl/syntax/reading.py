"""Reads model texts: UTF-8, of bounded size, with line ends made equal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import strerror
from pathlib import Path

from gendsl.diagnostics import CompileError, Diagnostic
from gendsl.source import Source

__all__ = [
    "SIZE_LIMIT",
    "check_not_empty",
    "check_size",
    "read_source",
    "source_from_bytes",
    "source_from_text",
]

SIZE_LIMIT = 128 * 1024
"""The largest model text, in bytes."""

OTHER_FORMATS = {
    **dict.fromkeys((".csv", ".tsv", ".json", ".parquet", ".feather", ".arrow"), "data"),
    **dict.fromkeys((".nc", ".h5", ".npz", ".npy", ".xlsx", ".pkl", ".pt", ".zip"), "data"),
    **dict.fromkeys((".py", ".ipynb"), "Python"),
    ".stan": "Stan",
}
"""Endings of files that are certainly no models."""


def read_source(path: Path | str) -> Source:
    """The text of the model file at `path`.

    Raises:
        CompileError: there is no such file, or it is no text.
    """
    name = str(path)
    path = Path(path)
    if path.suffix.lower() in OTHER_FORMATS:
        content = OTHER_FORMATS[path.suffix.lower()]
        raise _no_model(name, f"by its ending it holds {content}")
    try:
        if path.is_dir():
            raise _no_model(name, "it is a directory")
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT + 4)  # a byte order mark does not count
    except (OSError, ValueError) as error:
        raise _no_model(name, _reason(error)) from error
    return source_from_bytes(data, name)


def source_from_bytes(data: bytes, name: str) -> Source:
    """The model text that the content of a file spells; messages call it `name`.

    Raises:
        CompileError: it is no text, or too large.
    """
    return Source(name, _normalised(_decoded(data, name), name))


def source_from_text(text: str, name: str = "<text>") -> Source:
    """The model text `text`, which messages call `name`.

    Raises:
        CompileError: the text is too large or cannot be written as UTF-8.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise _not_text(name, f"the text is not Unicode at character {error.start}") from error
    return Source(name, _normalised(text, name))


def check_size(source: Source) -> None:
    """Refuses a text that is larger than a model may be."""
    text = source.text
    if len(text) > SIZE_LIMIT or len(text.encode("utf-8", "replace")) > SIZE_LIMIT:
        raise CompileError([_too_large()], Source(source.name, ""))


def check_not_empty(source: Source, tokens: Sequence[object]) -> None:
    """Refuses a text without statements."""
    if not tokens:
        raise _no_model(source.name, "it is empty but for comments and blank lines")


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, PermissionError):
        return "it may not be read"
    if isinstance(error, OSError) and error.errno is not None:
        return strerror(error.errno).lower()
    return "this is no file name"


def _decoded(data: bytes, name: str) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise _not_text(name, "not UTF-8 at byte 0: the file is UTF-16", "save it as UTF-8")
    if len(data.removeprefix(b"\xef\xbb\xbf")) > SIZE_LIMIT:
        raise CompileError([_too_large()], Source(name, ""))
    at = data.find(b"\0")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        at = error.start if at < 0 else min(at, error.start)
        raise _not_text(name, f"not UTF-8 at byte {at}", _remedy(data, at)) from error
    if at >= 0:
        raise _not_text(name, f"not UTF-8 at byte {at}", _remedy(data, at))
    return text


def _remedy(data: bytes, at: int) -> str:
    if data[at] == 0:
        wide = data.count(b"\0") * 3 > len(data)
        return "it looks like UTF-16: save it as UTF-8" if wide else "delete the NUL byte"
    return "save the file as UTF-8; only comments may hold letters that are not ASCII"


def _normalised(text: str, name: str) -> str:
    text = text.removeprefix("\ufeff")
    if len(text) > SIZE_LIMIT:
        raise CompileError([_too_large()], Source(name, ""))
    if "\0" in text:
        at = len(text[: text.index("\0")].encode("utf-8"))
        raise _not_text(name, f"the text has a NUL character at byte {at}", "delete it")
    return re.sub("\r\n?", "\n", text)


def _no_model(name: str, why: str) -> CompileError:
    return CompileError(
        [
            Diagnostic(
                "GD001",
                f"no model found in {name}: {why}",
                help="a model is a text that begins with `model Name`, usually in a `.gen` file",
            )
        ],
        Source(name, ""),
    )


def _not_text(name: str, message: str, remedy: str | None = None) -> CompileError:
    return CompileError([Diagnostic("GD002", message, help=remedy)], Source(name, ""))


def _too_large() -> Diagnostic:
    return Diagnostic(
        "GD003",
        f"the model text is larger than {SIZE_LIMIT // 1024} KiB",
        help="data belong in data files; repeated statements are what plates are for",
    )
