"""Whatever the text, the checker gives a model or findings: no other exception escapes it."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from gendsl.diagnostics import CompileError
from gendsl.frontend import check
from gendsl.source import Source

GOLDEN = Path(__file__).parents[1] / "golden"
PROGRAMS = [
    text
    for path in sorted(GOLDEN.glob("**/*.gen"))
    if not path.name.startswith("GD0") and len(text := path.read_text("utf-8")) < 4_000
]
TOKEN = re.compile(r"#[^\n]*|\|>|->|\*\*|[=!<>]=|[A-Za-z_]\w*|\d+(?:\.\d+)?|\s+|.")
NUMBERS = ["0", "1", "-1", "2.5", "1e308", "9007199254740993", "3"]
KEYWORDS = {
    *("model", "plate", "sequence", "dim", "input", "param", "latent", "observe", "let", "net"),
    *("flow", "energy", "guide", "infer", "fn", "use", "if", "else", "and", "or", "not", "causal"),
}
SEED = 20_260_101


def tokens(text: str) -> list[str]:
    return [t for t in TOKEN.findall(text) if not t.startswith("#")]


def solid(parts: list[str]) -> list[int]:
    """The places of tokens that are not white space."""
    return [i for i, t in enumerate(parts) if not t.isspace()]


VOCABULARY = sorted({t for text in PROGRAMS for t in tokens(text) if not t.isspace()})


NAMES = [w for w in VOCABULARY if w[0].isalpha() and w not in KEYWORDS]


def mutated(chance: random.Random, text: str) -> str:
    """A text with a few tokens deleted, doubled, exchanged, replaced or renumbered."""
    parts = tokens(text)
    for _ in range(chance.randint(1, 3)):
        places = solid(parts)
        if len(places) < 2:
            break
        i, j = chance.sample(places, 2)
        kind = chance.choice((0, 1, 2, 3, 4, 5, 5, 6, 6, 6, 6, 7, 7))
        if kind == 0:
            del parts[i]
        elif kind == 1:
            parts.insert(i, parts[i] + " ")
        elif kind == 2:
            parts[i], parts[j] = parts[j], parts[i]
        elif kind == 3:
            parts[i] = parts[j]
        elif kind == 4:
            parts[i] = chance.choice(VOCABULARY)
        elif kind == 5:
            numbers = [k for k in places if parts[k][0].isdigit()]
            if numbers:
                parts[chance.choice(numbers)] = chance.choice(NUMBERS)
        else:
            names = [k for k in places if parts[k][0].isalpha() and parts[k] not in KEYWORDS]
            if len(names) > 1:
                a, b = chance.sample(names, 2)
                parts[a] = parts[b] if kind == 6 else chance.choice(NAMES)
    return "".join(parts)


def run(count: int, seed: int) -> dict[str, int]:
    """Check `count` mutated programs; how many were accepted, and refused."""
    chance = random.Random(seed)
    outcomes = {"accepted": 0, "refused": 0}
    for _ in range(count):
        text = mutated(chance, chance.choice(PROGRAMS))
        try:
            model = check(Source("fuzz.gen", text))
        except CompileError as error:
            assert error.diagnostics
            outcomes["refused"] += 1
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}\n{text}") from error
        else:
            assert model.ir.variables
            outcomes["accepted"] += 1
    return outcomes


def test_mutated_programs():
    outcomes = run(2_000, SEED)

    assert outcomes["refused"] > 1_000
    assert outcomes["accepted"] > 20


@pytest.mark.slow
def test_many_mutated_programs():
    run(30_000, SEED + 1)


def test_token_soup():
    chance = random.Random(SEED + 2)
    for _ in range(300):
        body = " ".join(chance.choice(VOCABULARY) for _ in range(chance.randint(1, 60)))
        with pytest.raises(CompileError):
            check(Source("soup.gen", f"model M\nlet {body}\nobserve"))


def test_messages_are_the_same_every_time():
    chance = random.Random(SEED + 3)
    for _ in range(100):
        text = mutated(chance, chance.choice(PROGRAMS))
        assert _message(text) == _message(text)


def _message(text: str) -> str:
    try:
        check(Source("fuzz.gen", text))
    except CompileError as error:
        return str(error)
    return ""
