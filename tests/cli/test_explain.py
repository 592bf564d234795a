"""``gendsl explain``."""

from __future__ import annotations

import pytest

from gendsl.explanations import all_codes
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.library.functions import FUNCTIONS, OPERATOR_FUNCTIONS
from gendsl.library.methods import LATER, METHODS

WORDS = [
    *DISTRIBUTIONS,
    *(n for n, s in FUNCTIONS.items() if s.operator is None),
    *(s.operator for s in OPERATOR_FUNCTIONS),
    *METHODS,
    *LATER,
]


def test_every_code(cli):
    listed = cli("explain").out.splitlines()
    assert [line.split()[0] for line in listed] == list(all_codes())
    for code in all_codes():
        outcome = cli("explain", code)
        assert (outcome.status, outcome.err) == (0, "")
        assert outcome.out.startswith(f"{code}: ")


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_the_tables(cli, word):
    outcome = cli("explain", word)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.strip()


def test_a_code_as_it_is_copied(cli):
    assert cli("explain", "[GD012]") == cli("explain", "gd012") == cli("explain", "GD012")


def test_a_distribution(cli):
    out = cli("explain", "Normal").out
    assert out.startswith("Normal(loc, scale)\n")
    assert "scale  standard deviation: positive\n" in out


@pytest.mark.parametrize(
    ("word", "remedy"),
    [
        ("Nromal", "did you mean `Normal`?"),
        ("GD999", "`gendsl explain` lists the codes"),
        ("", "lists the codes"),
    ],
)
def test_unknown(cli, word, remedy):
    outcome = cli("explain", word)
    assert (outcome.status, outcome.out) == (1, "")
    assert "error[GD832]" in outcome.err
    assert remedy in outcome.err
