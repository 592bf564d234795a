"""Machine code: what is kept where, what is removed, and what is never loaded."""

from __future__ import annotations

import os
import subprocess
import time
from importlib import import_module

import pytest

from gendsl.runtime.native import NotNative

native = import_module("gendsl.runtime.native.build")

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
