"""Machine code: what is kept where, what is removed, and what is never loaded."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from importlib import import_module

import pytest
from compiled_targets import without_compiler

from gendsl.runtime.native import NotNative

native = import_module("gendsl.runtime.native.build")

pytestmark = pytest.mark.skipif(without_compiler() is not None, reason="no C compiler")

SOURCE = "double gen_both(void *x, void *g, void *c, void *w) { return 1.5; }\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GENDSL_CACHE", str(tmp_path / "cache"))
    native._machine.cache_clear()
    yield tmp_path / "cache" / "native"
    native._machine.cache_clear()


def kept(folder):
    return sorted(p.name for p in folder.iterdir())


def test_one_object_is_kept_and_loaded_again(folder):
    native.loaded(SOURCE)
    (name,) = kept(folder)
    made = (folder / name).stat().st_mtime_ns
    native.loaded(SOURCE)
    assert native.OWN.fullmatch(name)
    assert (folder / name).stat().st_mtime_ns == made


def test_only_own_files_are_removed(folder, monkeypatch):
    monkeypatch.setattr(native, "KEPT", 0)
    folder.mkdir(parents=True)
    (folder.parent / "other.so").touch()
    (folder / "libmine.so").touch()
    (folder / ("a" * 32 + ".so")).touch()
    for name, age in ((".build-old", 2 * native.STALE), (".build-new", 0)):
        (folder / name).mkdir()
        when = time.time() - age
        os.utime(folder / name, (when, when))

    native._prune(folder)

    assert kept(folder) == [".build-new", "libmine.so"]
    assert kept(folder.parent) == ["native", "other.so"]


@pytest.mark.parametrize("unsafe", ["writable", "link"])
def test_unsafe_folder_is_not_used(folder, tmp_path, unsafe):
    folder.parent.mkdir()
    if unsafe == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.mkdir()
        folder.chmod(0o777)

    native.loaded(SOURCE)

    assert kept(folder) == []


@pytest.mark.parametrize("error", [OSError("gone"), subprocess.TimeoutExpired("cc", 60)])
def test_compiler_that_does_not_answer(folder, monkeypatch, error):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(native.subprocess, "run", refuse)
    with pytest.raises(NotNative, match="does not answer"):
        native.loaded(SOURCE)


BUILDER = """
from gendsl.runtime.native.build import loaded
loaded({source!r})
"""


def test_a_build_that_is_killed_leaves_nothing_that_is_loaded(folder, tmp_path, monkeypatch):
    """The compiler has written half of the object when everything is ended at once."""
    compiler, slow = tmp_path / "slowcc", tmp_path / "slow"
    compiler.write_text(
        "#!/bin/sh\n"
        f'if [ -e {slow} ]; then for a; do case "$a" in\n'
        f'*.so) printf half > "$a"; touch {slow}.began; sleep 100;; esac; done; fi\n'
        f'exec {native._compiler()} "$@"\n'
    )
    compiler.chmod(0o700)
    slow.touch()
    monkeypatch.setenv("CC", str(compiler))
    process = subprocess.Popen(
        [sys.executable, "-c", BUILDER.format(source=SOURCE)], start_new_session=True
    )
    began = tmp_path / "slow.began"
    deadline = time.monotonic() + 60
    while not began.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert began.exists()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(20)
    assert all(name.startswith(".build-") for name in kept(folder))

    slow.unlink()
    native._compiler.cache_clear()
    try:
        library = native.loaded(SOURCE)
        library.gen_both.restype = ctypes.c_double
        assert library.gen_both(None, None, None, None) == 1.5
    finally:
        native._compiler.cache_clear()
    assert sum(bool(native.OWN.fullmatch(name)) for name in kept(folder)) == 1
