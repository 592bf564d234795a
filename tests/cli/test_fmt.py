"""``gendsl fmt``."""

from __future__ import annotations

import io
import os
import sys
from types import SimpleNamespace

import pytest

UNTIDY = """\
model   M  # what
latent mu~Normal( 0,5 )   latent s ~ HalfNormal(1)
plate n
observe y[n]~Normal(mu,s)"""
TIDY = """\
model M  # what
latent mu ~ Normal(0, 5)
latent s ~ HalfNormal(1)
plate n
observe y[n] ~ Normal(mu, s)
"""


@pytest.fixture
def untidy(folder):
    path = folder / "m.gen"
    path.write_text(UNTIDY)
    return path


def test_in_place(cli, untidy):
    outcome = cli("fmt", "m.gen")
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "changed m.gen\n")
    assert untidy.read_text() == TIDY
    assert cli("fmt", "m.gen", "model.gen").err == "2 files are in order\n"


def test_check_writes_nothing(cli, untidy, unchanged):
    outcome = cli("fmt", "--check", "m.gen", "model.gen")
    assert (outcome.status, outcome.err) == (1, "would change m.gen\n")
    assert cli("fmt", "--check", "model.gen").status == 0
    assert unchanged()


def test_diff_writes_nothing(cli, untidy, unchanged):
    outcome = cli("fmt", "--diff", "m.gen")
    assert outcome.status == 0
    assert "-plate n" not in outcome.out
    assert "+latent mu ~ Normal(0, 5)\n" in outcome.out
    assert "\\ no newline at the end\n" in outcome.out
    assert cli("fmt", "--diff", "--check", "m.gen").status == 1
    assert unchanged()


def test_a_file_that_does_not_parse_is_left_alone(cli, untidy, folder):
    (folder / "bad.gen").write_text("model M\nlatent mu ~ Normal(0, 5\n")
    outcome = cli("fmt", "bad.gen", "m.gen")
    assert outcome.status == 1
    assert "bad.gen:2:19: error[GD012]" in outcome.err
    assert "bad.gen is left as it is" in outcome.err
    assert (folder / "bad.gen").read_text() == "model M\nlatent mu ~ Normal(0, 5\n"
    assert untidy.read_text() == TIDY


def test_permissions_and_links_are_kept(cli, untidy, folder):
    untidy.chmod(0o640)
    (folder / "link.gen").symlink_to("m.gen")
    assert cli("fmt", "link.gen").status == 0
    assert (folder / "link.gen").is_symlink()
    assert untidy.read_text() == TIDY
    assert untidy.stat().st_mode & 0o7777 == 0o640


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(cli, untidy, folder):
    folder.chmod(0o500)
    try:
        outcome = cli("fmt", "m.gen")
    finally:
        folder.chmod(0o700)
    assert outcome.status == 1
    assert "cannot write" in outcome.err
    assert untidy.read_text() == UNTIDY


def test_no_half_written_file(cli, untidy, monkeypatch, folder):
    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    outcome = cli("fmt", "m.gen")
    assert outcome.status == 1
    assert "error[GD809]" in outcome.err
    assert untidy.read_text() == UNTIDY
    assert sorted(p.name for p in folder.iterdir() if p.name.startswith(".")) == []


def test_as_a_filter(cli, monkeypatch, unchanged):
    def given(text):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))

    given(UNTIDY)
    assert cli("fmt", "-").out == TIDY
    given(UNTIDY)
    assert cli("fmt", "-", "--check").status == 1
    given("model M\nlatent")
    outcome = cli("fmt", "-")
    assert (outcome.status, outcome.out) == (1, "")
    assert unchanged()


def test_line_ends_and_marks_become_plain(cli, folder):
    (folder / "m.gen").write_bytes(b"\xef\xbb\xbf" + TIDY.replace("\n", "\r\n").encode())
    assert cli("fmt", "m.gen").err == "changed m.gen\n"
    assert (folder / "m.gen").read_bytes() == TIDY.encode()
