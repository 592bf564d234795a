"""Whatever the text, the checker gives a model or findings: no other exception escapes it."""

from __future__ import annotations

import random
import re
from collections import Counter
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
        if len(places) >= 2:
            mutate(chance, parts, places)
    return "".join(parts)


def mutate(chance: random.Random, parts: list[str], places: list[int]) -> None:
    i, j = chance.sample(places, 2)
    match chance.choice((0, 1, 2, 3, 4, 5, 5, 6, 6, 6, 6, 7, 7)):
        case 0:
            del parts[i]
        case 1:
            parts.insert(i, parts[i] + " ")
        case 2:
            parts[i], parts[j] = parts[j], parts[i]
        case 3:
            parts[i] = parts[j]
        case 4:
            parts[i] = chance.choice(VOCABULARY)
        case 5:
            replace(chance, parts, [k for k in places if parts[k][0].isdigit()], NUMBERS)
        case kind:
            names = [k for k in places if parts[k][0].isalpha() and parts[k] not in KEYWORDS]
            replace(chance, parts, names, NAMES if kind == 7 else [parts[k] for k in names])


def replace(chance: random.Random, parts: list[str], places: list[int], words: list[str]) -> None:
    if places:
        parts[chance.choice(places)] = chance.choice(words)


def outcome(text: str) -> str:
    """Whether a program is accepted or refused; anything else is a failure."""
    try:
        model = check(Source("fuzz.gen", text))
    except CompileError as error:
        return "refused" if error.diagnostics else "refused without a finding"
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error}\n{text}") from error
    return "accepted" if model.ir.variables else "accepted without a variable"


def run(count: int, seed: int) -> Counter[str]:
    """Check `count` mutated programs; how many were accepted, and refused."""
    chance = random.Random(seed)
    outcomes = Counter(outcome(mutated(chance, chance.choice(PROGRAMS))) for _ in range(count))
    assert set(outcomes) == {"accepted", "refused"}
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
