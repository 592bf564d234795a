"""The reference pages say what the tables say."""

from __future__ import annotations

from pathlib import Path

import pytest

from gendsl.library import reference
from gendsl.library.architectures import ARCHITECTURES
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.library.functions import FUNCTIONS

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"


@pytest.mark.parametrize("name", reference.PAGES)
def test_page_is_up_to_date(name):
    written = (FOLDER / name).read_text(encoding="utf-8")
    assert written == reference.PAGES[name](), (
        "run `python -m gendsl.library.reference docs/reference`"
    )


def test_every_distribution_is_described_once():
    page = reference.distribution_page()
    assert all(page.count(f"### {name}\n") == 1 for name in DISTRIBUTIONS)


def test_every_function_is_described_once():
    page = reference.function_page()
    assert all(page.count(f"| {spec.summary} |") >= 1 for spec in FUNCTIONS.values())
    listed = [spec for group in reference._GROUPS.values() for spec in group]
    assert sorted(spec.name for spec in listed) == sorted(FUNCTIONS)


def test_every_architecture_is_described_once():
    page = reference.architecture_page()
    assert all(page.count(f"### {name}\n") == 1 for name in ARCHITECTURES)


def test_every_symbol_stands_in_the_density():
    for spec in DISTRIBUTIONS.values():
        plain = [p.symbol for p in spec.params if p.symbol and p.symbol.isalpha()]
        assert all(symbol in spec.density for symbol in plain), spec.name
