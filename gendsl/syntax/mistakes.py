"""Explains why a statement cannot be parsed: what was expected, what was found, what to write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gendsl.diagnostics import Diagnostic
from gendsl.source import Source, Span
from gendsl.syntax.automaton import END, Automaton, Token
from gendsl.syntax.lexing import RESERVED, clipped
from gendsl.syntax.opening import explain_opening, meant_keyword
from gendsl.syntax.statements import Piece, begins_line

__all__ = ["explain"]

COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})

NOUNS = {
    "model": "the name of the model", "plate": "the name of the plate",
    "sequence": "the name of the sequence", "dim": "the name of the size",
    "input": "the name of the input", "param": "the name of the parameter",
    "latent": "the name of the random quantity", "observe": "the name of the observed quantity",
    "let": "the name of the quantity", "net": "the name of the network",
    "flow": "the name of the flow", "guide": "the name of a latent",
    "infer": "the name of an inference method", "fn": "the name of the function",
    "use": "the name of what comes from Python",
}  # fmt: skip
"""What follows each keyword."""

RELATIONS = {
    "latent": ("~", "let", "a latent is random: write `~` and a distribution"),
    "let": ("=", "latent", "a `let` is deterministic: write `=` and its value"),
    "input": (":", "let", "an input has a type and comes from the data: `input name: type`"),
    "param": ("=", "latent", "a parameter has an initial value, not a distribution: `=`"),
    "dim": ("=", "latent", "a size is a number: `=`"),
    "plate": ("=", "latent", "the size of a plate is a number: `=`"),
    "sequence": ("=", "latent", "the size of a sequence is a number: `=`"),
    "fn": ("=", "latent", "a function has a value: `=`"),
}
"""The relation that each keyword takes, the keyword that takes the other one, and why."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the parser stopped.

    Attributes:
        tokens: the tokens of the statement.
        index: the number of the one that does not fit, or how many there are.
        accepted: the kinds that would have fitted.
    """

    source: Source
    keyword: str
    tokens: Sequence[Token]
    index: int
    accepted: frozenset[str]

    @property
    def found(self) -> Token | None:
        """The token that does not fit; None at the end."""
        return self.tokens[self.index] if self.index < len(self.tokens) else None

    @property
    def kind(self) -> str:
        return self.found.kind if self.found is not None else END

    @property
    def before(self) -> Token:
        return self.tokens[self.index - 1]

    @property
    def after(self) -> str:
        """The kind of the token after the one that does not fit."""
        return self.tokens[self.index + 1].kind if self.index + 1 < len(self.tokens) else END

    @property
    def span(self) -> Span:
        """The token that does not fit, or the place where something is missing."""
        if self.found is not None:
            return self.found.span
        return Span(self.before.end, self.before.end)

    def inside(self, bracket: str) -> bool:
        """Whether the innermost open bracket is `bracket`."""
        opened = [""]
        for token in self.tokens[: self.index]:
            if token.kind in ("(", "["):
                opened.append(token.kind)
            elif token.kind in (")", "]"):
                opened.pop()
        return opened[-1] == bracket


def explain(source: Source, automaton: Automaton, piece: Piece, index: int) -> Diagnostic:
    """What is wrong with the statement `piece`, whose token `index` does not fit."""
    accepted = automaton.accepted_after(piece.tokens[:index])
    place = _Place(source, piece.keyword or "", piece.tokens, index, accepted)
    for recognise in RECOGNISERS:
        finding = recognise(place)
        if finding is not None:
            return finding
    return _general(place)


def _complete(place: _Place) -> Diagnostic | None:
    """The statement is complete, and something that is no keyword follows."""
    if END not in place.accepted or place.kind != "NAME":
        return None
    rest = place.tokens[place.index :]
    if meant_keyword(rest) is None and not begins_line(place.source, rest[0]):
        return None
    return explain_opening(place.source, Piece(None, 0, list(rest)))


def _reserved(place: _Place) -> Diagnostic | None:
    if place.kind not in RESERVED or "NAME" not in place.accepted:
        return None
    if place.after in ("NAME", "NUMBER", "("):
        return None
    return Diagnostic(
        "GD011",
        f"`{place.kind}` is a keyword and cannot be a name",
        place.span,
        help=f"choose another name, such as `{place.kind}_`",
    )


def _chained_comparison(place: _Place) -> Diagnostic | None:
    if place.kind not in COMPARISONS or "and" not in place.accepted:
        return None
    return Diagnostic(
        "GD021",
        f"comparisons do not chain, but a second one, `{place.kind}`, follows",
        place.span,
        help="write `a < b and b < c` for `a < b < c`",
    )


def _relation(place: _Place) -> Diagnostic | None:
    """A statement with the relation of another kind of statement, or of another language."""
    arrow = place.kind == "<" and place.after == "-" and not place.inside("(")
    defining = arrow and bool(place.accepted & {"~", "="})
    if place.inside("(") or place.inside("["):
        return None
    if not defining and place.kind not in ("=", "~", "=="):
        return None
    if place.kind == "==" and "=" in place.accepted:
        return _wrong_relation(place, "`==` compares; a definition is written `=`")
    if place.kind == "=" and "==" in place.accepted:
        return _wrong_relation(place, "a comparison is written `==`")
    if place.keyword not in RELATIONS:
        return None
    relation, other, why = RELATIONS[place.keyword]
    if relation not in place.accepted and relation == place.kind:
        return None
    name = clipped(place.tokens[1].text)
    if place.kind in ("~", "=") and place.kind != relation and relation != ":":
        why += f"; or declare it with `{other} {name} {place.kind} …`"
    return _wrong_relation(place, why)


def _wrong_relation(place: _Place, remedy: str) -> Diagnostic:
    shown = "<-" if place.kind == "<" else place.kind
    width = len(shown)
    span = Span(place.span.start, place.span.start + width)
    return Diagnostic(
        "GD023",
        f"`{shown}` cannot stand here, in a statement of `{place.keyword}`",
        span,
        help=remedy,
    )


def _pipe(place: _Place) -> Diagnostic | None:
    if place.kind != "|>":
        return None
    return Diagnostic(
        "GD020",
        "`|>` may stand only after a distribution that follows `~`",
        place.span,
        help="as in `observe x ~ Normal(0, 1) |> f`; elsewhere call the map, `f(x)`",
    )


def _left_subscript(place: _Place) -> Diagnostic | None:
    """An expression among the axes of a left side."""
    if len(place.tokens) < 3 or place.tokens[2].kind != "[" or place.keyword == "energy":
        return None
    if any(token.kind == "]" for token in place.tokens[: place.index]):
        return None
    if place.found is None or place.kind in ("~", "=", ":"):
        return None
    return Diagnostic(
        "GD024",
        f"a left side lists plates, sequences and literal steps, but has {_shown(place.found)}",
        place.span,
        help="lags stand on the right: `latent z[t] ~ Normal(z[t-1], 1)`",
    )


def _slice(place: _Place) -> Diagnostic | None:
    if place.kind != ":" or not place.inside("["):
        return None
    return Diagnostic(
        "GD020",
        "slices are not part of the language",
        place.span,
        help="index with a quantity, `x[chosen]`, or give the part an axis of its own",
    )


def _juxtaposed(place: _Place) -> Diagnostic | None:
    """Two values side by side."""
    if place.kind not in ("NAME", "NUMBER", "(") or "+" not in place.accepted:
        return None
    if place.kind == "(":
        message, remedy = "only names and members can be called", "a product is written with `*`"
    elif place.before.text == "lambda":
        message, remedy = "there are no anonymous functions", "declare it: `fn f(x: real) = …`"
    else:
        before, found = clipped(place.before.text), _shown(place.found)
        other = " or `,`" if "," in place.accepted else ""
        message = f"an operator{other} was expected after `{before}`, found {found}"
        remedy = "a product is written with `*`"
        if other:
            remedy = "separate them with `,`"
        elif END in place.accepted:
            remedy += "; a new statement begins with a keyword"
    return Diagnostic("GD020", message, place.span, help=remedy)


def _bar(place: _Place) -> Diagnostic | None:
    if place.kind != "|" or "or" not in place.accepted:
        return None
    return Diagnostic(
        "GD020",
        "`|` separates a type from its context and is no operator",
        place.span,
        help="write `or`",
    )


def _head(place: _Place) -> Diagnostic | None:
    """A left side in the manner of other languages."""
    remedy = None
    if place.index == 2 and place.kind == "," or place.index == 1 and place.kind == "(":
        remedy = (
            "a statement declares one name; a list of values is one quantity with an event shape"
        )
    elif place.index == 2 and place.kind == "(" and place.keyword == "let":
        remedy = f"a function is declared with `fn {clipped(place.before.text)}(x: real) = …`"
    elif place.kind == "NAME" and "~" in place.accepted and place.after == "(":
        remedy = "a distribution follows `~`, a type follows `:`"
    elif place.kind == "NAME" and ":" in place.accepted:
        remedy = f"a type follows a colon: `{place.keyword} {clipped(place.tokens[1].text)}: …`"
    elif place.kind == "?":
        remedy = "`?` belongs to a type, as in `observe y[n]: real? ~ Normal(mu, 1)`"
    return _general(place, remedy) if remedy is not None else None


def _without_else(place: _Place) -> Diagnostic | None:
    if "else" not in place.accepted:
        return None
    return Diagnostic(
        "GD019" if place.found is None else "GD020",
        f"a conditional needs `else` before {_shown(place.found)}",
        place.span,
        help="write `a if condition else b`",
    )


RECOGNISERS: tuple[Callable[[_Place], Diagnostic | None], ...] = (
    _complete,
    _reserved,
    _left_subscript,
    _pipe,
    _relation,
    _chained_comparison,
    _slice,
    _without_else,
    _bar,
    _juxtaposed,
    _head,
)


def _general(place: _Place, remedy: str | None = None) -> Diagnostic:
    expected = _expected(place)
    after = f"after `{clipped(place.before.text)}`"
    in_expression = "+" in place.accepted and END in place.accepted
    if remedy is None and not in_expression:
        remedy = FORMS[place.keyword]
    if place.found is None:
        return Diagnostic(
            "GD019",
            f"this `{place.keyword}` statement ends too early: {expected} was expected {after}",
            place.span,
            help=remedy,
        )
    message = f"{expected} was expected {after}, found {_shown(place.found)}"
    return Diagnostic("GD020", message, place.span, help=remedy)


FORMS = {
    "model": "as in `model EightSchools`",
    "plate": "as in `plate house`, `plate house = 85` or `plate word[doc]`",
    "sequence": "as in `sequence t`, `sequence t = 100` or `sequence t[doc]`",
    "dim": "as in `dim D` or `dim D = 20`",
    "input": "as in `input floor[house]: real`",
    "param": "as in `param W: real[D, H] = 0`",
    "latent": "as in `latent mu ~ Normal(0, 5)`",
    "observe": "as in `observe y[house] ~ Normal(mu, sigma)`",
    "let": "as in `let eta = a[county_of] + b * floor`",
    "net": "as in `net decode: real[L] -> real[D] = mlp(hidden=[400])`",
    "flow": "as in `flow f: real[D] = coupling(spline(bins=8), layers=5)`",
    "energy": "as in `energy E(x)`",
    "guide": "as in `guide z ~ Normal(encode(x))`",
    "infer": "as in `infer nuts(chains=4)`",
    "fn": "as in `fn decay(t: real, k: positive): real = exp(-k * t)`",
    "use": "as in `use p: real[D]` or `use g: real[P] -> real[D]`",
}
"""An example of each statement."""


def _shown(token: Token | None) -> str:
    if token is None:
        return "the end of the statement"
    if token.kind == "NUMBER":
        return f"the number `{clipped(token.text)}`"
    return f"`{clipped(token.text)}`"


def _expected(place: _Place) -> str:
    """What could have stood at the place, in words."""
    accepted = place.accepted
    options: list[str] = []
    if {"NAME", "NUMBER", "("} <= accepted:
        options.append("a distribution" if place.before.kind == "~" else "a value")
    elif {"NAME", "("} <= accepted:
        options.append("a type")
    elif {"NAME", "NUMBER"} <= accepted:
        options.append("an axis or a literal step")
    elif "NAME" in accepted:
        options.append(NOUNS[place.keyword] if place.index == 1 else "a name")
    # Where a value may stand, so may an opening bracket: only closing ones are worth a mention.
    signs = (")", "]") if options else (":", "~", "=", "->", "|", ",", ")", "]", "else")
    options += [f"`{sign}`" for sign in signs if sign in accepted]
    if END in accepted:
        options.append("the end of the statement")
    if not options:
        options = ["an operator"]
    return options[0] if len(options) == 1 else f"{', '.join(options[:-1])} or {options[-1]}"
