"""Polynomial degrees of energies in some variables."""

from __future__ import annotations

from math import inf

import pytest

from gendsl.frontend import check
from gendsl.graph.degrees import degree_in
from gendsl.ir.blocks import blocks_of
from gendsl.source import Source

HEAD = """\
model M
plate image  plate site  plate edge  dim D = 4  dim H = 3
input W: real[D, H]  input J: real[D, D]  input from_[edge]: index(site)
observe v[image]: binary[D]  observe h[image]: binary[H]  observe s[site]: binary
let u[image]: real[H] = v @ W
"""


def model(energy: str):
    return check(Source("m.gen", HEAD + f"energy {energy}\nenergy sum(v) + sum(h)\nenergy s\n")).ir


@pytest.mark.parametrize(
    ("energy", "chosen", "degree"),
    [
        ("v @ W @ h", ["v"], 1),
        ("v @ W @ h", ["h"], 1),
        ("v @ W @ h", ["v", "h"], 2),
        ("v @ J @ v", ["v"], 2),
        ("v @ J @ v", ["h"], 0),
        ("u @ h", ["v", "h"], 2),
        ("sum(u ** 2)", ["v"], 2),
        ("sum(square(square(u)))", ["v"], 4),
        ("sum(exp(u))", ["v"], inf),
        ("3 * sum(v) - sum(h) / 2", ["v", "h"], 1),
        ("s[from_] * s", ["s"], 2),
        ("sum(abs(u) ** 3)", ["v"], inf),
    ],
)
def test_degrees(energy, chosen, degree):
    m = model(energy)
    assert degree_in(m, m.energies[0].value, chosen) == degree


def test_blocks_fall_apart_over_plates_that_nothing_combines():
    blocks = blocks_of(model("v @ W @ h"))
    assert [b.members for b in blocks] == [("v", "h"), ("s",)]
    assert [b.plates for b in blocks] == [("image",), ("site",)]
    assert blocks[0].inputs == ("W",)
    tied = blocks_of(model("s[from_] * sum(v)"))
    assert [b.members for b in tied] == [("v", "h", "s")]
    assert tied[0].plates == ()
    assert blocks_of(model("sum(mean(v, image)) * sum(h)"))[0].plates == ()
