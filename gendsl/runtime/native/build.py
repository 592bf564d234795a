"""Building and loading: a shared object in the user's cache, named by a hash of its making."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import re
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
import torch

from gendsl.runtime.native.emit import CEmitter, NotNative
from gendsl.runtime.native.loops import Lazy, View
from gendsl.runtime.native.preamble import PREAMBLE
from gendsl.runtime.native.steps import translate
from gendsl.runtime.tracing import Tape

__all__ = ["Native", "NotNative", "build", "cache_folder", "loaded"]

FLAGS = (
    "-O2",
    "-ftree-vectorize",
    "-march=native",
    "-fopenmp-simd",
    "-D_OPENMP=201511",  # with the next, lets glibc declare its vector functions
    "-D__FAST_MATH__",  # which is all that it does: the compiler keeps to IEEE 754
    "-fno-math-errno",
    "-fno-trapping-math",
    "-std=gnu11",
    "-fPIC",
    "-shared",
    "-w",
)

MAX_STEPS = 60_000
"""Longer tapes take the compiler too long."""

LONG = 400
"""More statements than these are divided into functions."""

ARGUMENTS = (
    "const double *restrict x, double *restrict g, const double *const *c, double *restrict w"
)

MAX_ROOM = 50_000_000
"""Numbers in the workspace at most."""

SECONDS = 60
"""The compiler may take so long."""

KEPT = 300
"""So many shared objects are kept."""

STALE = 3600.0
"""Seconds after which a folder of a build that never ended is removed."""

OWN = re.compile(r"[0-9a-f]{32}\.so")
"""The names of the shared objects kept here; nothing else is ever removed."""


class Native:
    """A tape that runs as C: call it with a point.

    Attributes:
        function_address: the function ``double f(x, gradient, constants, workspace)``.
        constants_pointer: its third argument.
        room: how many numbers its workspace must have; one workspace for each thread.
        size: of a point.
        work: numbers that an evaluation reads and writes, roughly.
    """

    def __init__(self, library: ctypes.CDLL, emitter: CEmitter, size: int) -> None:
        """Set up the arrays that the function works on."""
        self._library = library
        self._held = [_aligned(a) for a in emitter.constants.finished()]
        pointers = [a.ctypes.data for a in self._held]
        self._constants = (ctypes.c_void_p * max(1, len(pointers)))(*pointers)
        self._room = _aligned(np.zeros(max(1, emitter.room)))
        self._point, self._gradient = np.zeros(max(1, size)), np.zeros(max(1, size))
        self._size = size
        self._function = library.gen_both
        self._function.restype = ctypes.c_double
        self._function.argtypes = [ctypes.c_void_p] * 4
        self.function_address = ctypes.cast(self._function, ctypes.c_void_p).value or 0
        self.constants_pointer = ctypes.cast(self._constants, ctypes.c_void_p).value or 0
        self.room, self.size = max(1, emitter.room), size
        self.work = size + emitter.room + sum(a.size for a in self._held)
        self._arguments = (
            self._point.ctypes.data,
            self._gradient.ctypes.data,
            ctypes.cast(self._constants, ctypes.c_void_p),
            self._room.ctypes.data,
        )

    def __call__(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient."""
        self._point[: self._size] = point
        value = self._function(*self._arguments)
        return value, self._gradient[: self._size].copy()


def build(tape: Tape) -> Native:
    """The tape as machine code.

    Raises:
        NotNative: an operation has no translation, or there is no compiler.
    """
    if os.environ.get("GENDSL_NATIVE", "1") == "0":
        raise NotNative("GENDSL_NATIVE is 0")
    if tape.samples[0].dtype != torch.float64 or tape.samples[0].device.type != "cpu":
        raise NotNative("only float64 on the CPU is compiled")
    if len(tape.steps) > MAX_STEPS:
        raise NotNative(f"{len(tape.steps)} operations are too many")
    emitter = CEmitter(tape)
    with torch.no_grad():
        source = _source(emitter, tape)
    if emitter.room > MAX_ROOM:
        raise NotNative("its workspace would be too large")
    return Native(loaded(source), emitter, tape.samples[0].numel())


def _aligned(values: np.ndarray) -> np.ndarray:
    """A copy that starts at a multiple of 64 bytes, as wide as the widest registers."""
    space = np.empty(values.nbytes + 64, np.uint8)
    start = -space.ctypes.data % 64
    found = space[start : start + values.nbytes].view(values.dtype)
    found[:] = values
    return found


def _source(emitter: CEmitter, tape: Tape) -> str:
    emitter.run(translate)
    shape = tuple(tape.samples[0].shape)
    emitter.into(View("g", 0, shape, (1,)), tape.gradient)
    value = emitter.stored(Lazy("{0}", (emitter.view(tape.value),), ()))
    texts = emitter.finish([View("g", 0, shape, (1,)), value])
    included = "\n".join(emitter.included.values())
    long = sum(text.count("\n") for text in texts) > LONG
    functions, body = _parts(emitter, texts) if long else ("", _whole(emitter, texts))
    head = f"double gen_both({ARGUMENTS})"
    result = f"w[{emitter.rooms[value.buffer]}]"
    return f"{PREAMBLE}\n{included}\n{functions}\n{head} {{\n{body}\nreturn {result};\n}}\n"


def _whole(emitter: CEmitter, texts: list[str]) -> str:
    """All statements in one function."""
    return "\n".join([*emitter.constants.declarations(), *emitter.arrays(), *texts])


def _parts(emitter: CEmitter, texts: list[str]) -> tuple[str, str]:
    """Functions of some statements each, and their calls: compilers are slow with long ones."""
    names = [*emitter.constants.declarations(), *emitter.arrays()]
    declared = {re.findall(r"\w+", line.split("=")[0])[-1]: line for line in names}
    functions, calls, part, lines = [], [], [], 0
    for k, text in enumerate(texts):
        part.append(text)
        lines += text.count("\n") + 1
        if lines < LONG and k < len(texts) - 1:
            continue
        code = "\n".join(part)
        used = set(re.findall(r"\w+", code))
        held = "\n".join(line for name, line in declared.items() if name in used)
        functions.append(
            f"static __attribute__((noinline)) void part_{k}({ARGUMENTS}) {{\n{held}\n{code}\n}}"
        )
        calls.append(f"part_{k}(x, g, c, w);")
        part, lines = [], 0
    return "\n".join(functions), "\n".join(calls)


@cache
def _compiler() -> str:
    """The system's C compiler: what ``CC`` names, and nothing else, where that is set.

    Raises:
        NotNative: there is none.
    """
    named = os.environ.get("CC")
    for name in (named,) if named else ("cc", "gcc", "clang"):
        found = shutil.which(name)
        if found:
            return found
    raise NotNative("there is no C compiler")


@cache
def _machine() -> str:
    """What machine code depends on beside its source."""
    text = f"{platform.system()} {platform.machine()} {_compiler()}"
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        text += next((line for line in lines if line.startswith("flags")), "")
    else:
        text += platform.processor()
    try:
        version = subprocess.run(
            [_compiler(), "--version"],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        raise NotNative("the C compiler does not answer") from error
    return text + version.stdout


def cache_folder() -> Path:
    """Where machine code is kept: ``GENDSL_CACHE``, else the user's cache."""
    named = os.environ.get("GENDSL_CACHE")
    if named:
        return Path(named)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "gendsl"


def loaded(source: str, flags: tuple[str, ...] = FLAGS) -> ctypes.CDLL:
    """The machine code of a C source, built or from the cache.

    Raises:
        NotNative: there is no compiler, or it refuses.
    """
    text = "\n".join([source, _machine(), *flags])
    name = hashlib.sha256(text.encode()).hexdigest()[:32] + ".so"
    folder = _kept_in()
    try:
        if folder is None:
            return _once(source, flags)
        kept = folder / name
        if kept.is_file() and _is_own(kept, stat.S_ISREG):
            return ctypes.CDLL(str(kept))
        with tempfile.TemporaryDirectory(dir=folder, prefix=".build-") as fresh:
            built = _compiled(source, Path(fresh), flags)
            built.chmod(0o700)  # whatever the umask: what others could write is not loaded
            built.replace(kept)
        _prune(folder)
        return ctypes.CDLL(str(kept))
    except OSError as error:
        raise NotNative(f"machine code cannot be kept or loaded: {error}") from error


def _kept_in() -> Path | None:
    """The folder that machine code is kept in; None if others could put files there."""
    folder = cache_folder() / "native"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return None
    safe = _is_own(folder, stat.S_ISDIR) and os.access(folder, os.W_OK)
    return folder if safe else None


def _once(source: str, flags: tuple[str, ...]) -> ctypes.CDLL:
    """Machine code from a private folder, which is gone once it is loaded."""
    folder = Path(tempfile.mkdtemp(prefix="gendsl-native-"))
    try:
        return ctypes.CDLL(str(_compiled(source, folder, flags)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_own(path: Path, kind: Callable[[int], bool]) -> bool:
    """Whether it is no link, and nobody but this user could have put it there."""
    found = path.lstat()
    if not kind(found.st_mode):
        return False
    return not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o022)


def _prune(folder: Path) -> None:
    """Forget what was made longest ago, and what a build that was ended left behind."""
    made = []
    for path in folder.iterdir():
        with suppress(OSError):  # another process may forget it at the same time
            when = path.lstat().st_mtime
            if OWN.fullmatch(path.name):
                made.append((when, path))
            elif path.name.startswith(".build-") and time.time() - when > STALE:
                shutil.rmtree(path, ignore_errors=True)
    for _, path in sorted(made, reverse=True)[KEPT:]:
        with suppress(OSError):
            path.unlink()


def _compiled(source: str, folder: Path, flags: tuple[str, ...]) -> Path:
    text, target = folder / "potential.c", folder / "potential.so"
    text.write_text(source, encoding="utf-8")
    command = [_compiler(), *flags, "-o", str(target), str(text), "-lmvec", "-lm"]
    for attempt in (
        command,
        [a for a in command if a not in ("-lmvec", "-D_OPENMP=201511", "-D__FAST_MATH__")],
    ):
        try:
            done = subprocess.run(
                attempt, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise NotNative("the C compiler takes too long") from error
        if done.returncode == 0:
            return target
    raise NotNative(f"the C compiler refused: {done.stderr[:300]}")
