"""Mistakes in how statements and files begin."""

from __future__ import annotations

from collections.abc import Sequence

from gendsl.diagnostics import Diagnostic, Label, nearest
from gendsl.source import Source, Span
from gendsl.syntax.automaton import Token
from gendsl.syntax.lexing import KEYWORDS, clipped
from gendsl.syntax.statements import Piece, begins_line, foreign_language

__all__ = ["check_opening", "explain_opening", "meant_keyword"]

SYNONYMS = {
    "observed": "observe", "obs": "observe", "data": "observe", "sample": "latent",
    "random": "latent", "prior": "latent", "var": "latent", "parameter": "param",
    "parameters": "param", "covariate": "input", "const": "let", "def": "fn", "func": "fn",
    "function": "fn", "fun": "fn", "fix": "let", "factor": "energy", "potential": "energy",
    "network": "net", "module": "net", "size": "dim", "axis": "dim", "group": "plate",
    "inference": "infer", "method": "infer", "time": "sequence", "import": "use",
}  # fmt: skip
"""Other words for what the keywords say."""

TYPE_WORDS = frozenset(
    ("real", "int", "integer", "float", "double", "vector", "matrix", "row_vector", "array")
    + ("simplex", "ordered", "positive", "unit", "count", "binary", "unit_vector", "index")
    + ("cov_matrix", "corr_matrix", "positive_ordered", "covariance", "correlation")
)
"""Words with which declarations begin in other languages."""


def check_opening(pieces: Sequence[Piece]) -> list[Diagnostic]:
    """The findings about the `model` line: it stands first, and once."""
    models = [p.tokens[0] for p in pieces if p.keyword == "model" and not _is_block(p)]
    if not pieces:
        return []
    opening = pieces[0].tokens[0]
    if not models:
        if any(p.keyword is None and _stands_for_model(p) for p in pieces):
            return []
        return [
            Diagnostic(
                "GD015",
                "a file begins with `model` and the model's name, but this one has no such line",
                opening.span,
                help="write `model Name` above this",
            )
        ]
    found = [
        Diagnostic(
            "GD016",
            "this is the second `model` line; a file declares one model",
            second.span,
            (Label(models[0].span, "the first one"),),
            help="put the second model into a file of its own",
        )
        for second in models[1:]
    ]
    if models[0] is not opening and pieces[0].keyword is not None:
        found.append(
            Diagnostic(
                "GD015",
                "`model` must be the first statement",
                models[0].span,
                (Label(opening.span, "this stands before it"),),
                help="move the `model` line to the top",
            )
        )
    return found


def _is_block(piece: Piece) -> bool:
    """Whether this is the model block of another language."""
    return len(piece.tokens) > 1 and piece.tokens[1].kind == "foreign"


def _stands_for_model(piece: Piece) -> bool:
    return foreign_language(piece.tokens) != "" or meant_keyword(piece.tokens) == "model"


def meant_keyword(tokens: Sequence[Token]) -> str | None:
    """The keyword that the first of `tokens` was probably meant to be."""
    if len(tokens) < 2 or tokens[0].kind != "NAME" or tokens[1].kind != "NAME":
        return None
    word = tokens[0].text.casefold()
    return SYNONYMS.get(word) or (nearest(word, KEYWORDS) if len(word) <= 20 else None)


def explain_opening(source: Source, piece: Piece) -> Diagnostic:
    """What is wrong with a stretch of text that no keyword opens."""
    first = piece.tokens[0]
    word = clipped(first.text)
    language = foreign_language(piece.tokens)
    if language == "Stan":
        return _missing(
            first.span,
            f"`{word}` opens a block of Stan",
            "there are no blocks: declare data with `input` and `observe`, unknowns with `latent`",
        )
    if language == "Python":
        return _missing(
            first.span,
            f"`{word}` is Python",
            "a model only declares: `latent` and `observe` for what is random, `let` for the rest",
        )
    keyword = meant_keyword(piece.tokens)
    if keyword is not None:
        name = clipped(piece.tokens[1].text)
        return Diagnostic(
            "GD018",
            f"`{word}` is not a keyword",
            first.span,
            help=f"did you mean `{keyword} {name} …`?",
        )
    return _missing(first.span, *_remedy(source, piece.tokens, word))


def _missing(span: Span, found: str, remedy: str) -> Diagnostic:
    return Diagnostic(
        "GD017",
        f"a statement begins with a keyword such as `latent`, `observe` or `let`, but {found}",
        span,
        help=remedy,
    )


def _remedy(source: Source, tokens: Sequence[Token], word: str) -> tuple[str, str]:
    """What was found at the beginning of a statement, and what to write instead."""
    found = f"this one begins with `{word}`"
    name = clipped(tokens[1].text) if len(tokens) > 1 and tokens[1].kind == "NAME" else ""
    if word in TYPE_WORDS:
        line = source.position(tokens[0].start)[0]
        names = [t for t in tokens if t.kind == "NAME" and source.position(t.start)[0] == line]
        name = name or (clipped(names[-1].text) if len(names) > 1 else "x")
        return (
            f"`{word}` is a type",
            f"write `latent {name}: … ~ …` for an unknown, `input {name}: …` for a known quantity",
        )
    left = _left_side(source, tokens)
    relation, after = tokens[left].text if left < len(tokens) else "", tokens[left + 1 :]
    target = clipped(source.text[tokens[0].start : tokens[left - 1].end]) if left else word
    if relation == "~":
        return found, f"did you mean `latent {target} ~ …`, or `observe` if it is in the data?"
    if relation in ("=", ":="):
        return found, f"did you mean `let {target} = …`?"
    if relation == "<" and after and after[0].text == "-":
        return found, f"did you mean `let {target} = …`, or `latent {target} ~ …`?"
    if relation == ":":
        return found, f"did you mean `latent {target}: …`, or `input {target}: …`?"
    if name:
        return found, f"`{word}` is not a keyword; they are {', '.join(sorted(KEYWORDS))}"
    return found, "write what it is: `latent`, `observe`, `let`, `input`, `param`, …"


def _left_side(source: Source, tokens: Sequence[Token]) -> int:
    """The number of tokens of the left side ``name[…]`` with which `tokens` begin."""
    if tokens[0].kind != "NAME":
        return 0
    if len(tokens) < 2 or tokens[1].kind != "[" or begins_line(source, tokens[1]):
        return 1
    depth = 0
    for index, token in enumerate(tokens[1:], 1):
        depth += (token.kind == "[") - (token.kind == "]")
        if depth == 0:
            return index + 1
    return 1
