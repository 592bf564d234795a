"""Writing results: nothing half-written, and no file of the user's replaced unasked."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gendsl.diagnostics import DataError, Diagnostic

__all__ = ["deliver", "draft_of", "replace_file", "verify_folder", "verify_target"]


def _refusal(code: str, message: str, remedy: str | None = None) -> DataError:
    return DataError([Diagnostic(code, message, help=remedy)])


def verify_target(target: str | None, *, overwrite: bool, inputs: Sequence[str] = ()) -> None:
    """Refuse an output file that cannot or should not be written, before any work is done.

    Args:
        target: the file; None and ``-`` stand for standard output.
        overwrite: whether a file that exists may be replaced.
        inputs: files that are read and therefore never replaced.

    Raises:
        DataError: GD809, GD830 or GD831.
    """
    if target is None or target == "-":
        return
    path = Path(target)
    if path.exists() and not path.is_file() and not path.is_dir():
        return  # a device or a pipe
    verify_folder(path.parent, target)
    if path.is_dir():
        raise _refusal("GD809", f"cannot write {target}: it is a folder", "name a file in it")
    for name in inputs:
        if path.exists() and os.path.exists(name) and os.path.samefile(path, name):
            message = f"{target} is read by this command and not replaced by it"
            raise _refusal("GD831", message, "name another file")
    if path.is_file() and not overwrite:
        raise _refusal(
            "GD830", f"{target} exists already", "name another file, or pass --overwrite"
        )


def verify_folder(folder: Path, target: str) -> None:
    """Refuse a folder that does not exist or may not be written."""
    if not folder.is_dir():
        raise _refusal("GD809", f"cannot write {target}: there is no folder {folder}")
    probe = folder / f".gendsl.{secrets.token_hex(6)}"
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise _refusal("GD809", f"cannot write {target}: {reason}") from error


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """A new file beside `path` that takes its name when the block ends, or vanishes.

    Raises:
        DataError: GD809, the operating system refuses.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        yield draft
        draft.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise _refusal("GD809", f"cannot write {path}: {reason}") from error
    finally:
        draft.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; one that exists keeps its permissions, a link its target.

    Raises:
        DataError: GD809, the operating system refuses.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():  # a device or a pipe
        target.write_bytes(content)
        return
    with draft_of(target) as draft:
        draft.write_bytes(content)
        if target.exists():
            draft.chmod(target.stat().st_mode & 0o7777)


def deliver(text: str, target: str | None) -> bool:
    """Write text to a file, or print it; whether a file was written.

    The target must have passed `verify_target`.
    """
    if target is None or target == "-":
        sys.stdout.write(text)
        return False
    replace_file(Path(target), text.encode("utf-8"))
    return True
