"""``gendsl explain``: the long text of a code, or the facts about a word of the language."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterator
from inspect import getdoc

from gendsl.commands.arguments import Command, Parser
from gendsl.diagnostics import DataError, Diagnostic, nearest
from gendsl.explanations import all_codes, explain
from gendsl.ir.printer import format_option
from gendsl.library.architectures import ARCHITECTURES, ArchitectureOption
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.library.distributions.spec import DistributionSpec
from gendsl.library.distributions.wrappers import WRAPPERS, WrapperSpec
from gendsl.library.functions import FUNCTIONS, OPERATOR_FUNCTIONS
from gendsl.library.functions.spec import FunctionSpec, Kind
from gendsl.library.methods import LATER, METHODS, MethodSpec
from gendsl.library.transforms import SCALAR_MAPS, TRANSFORMS, MapSpec, TransformSpec
from gendsl.types import REAL

__all__ = ["COMMAND"]

WIDTH = 96


def _declare(parser: Parser) -> None:
    parser.files.add_argument(
        "word",
        metavar="WORD",
        nargs="?",
        help="a code such as GD301, a distribution, a function, an operator, an architecture or a "
        "method; without it, the codes are listed",
    )


def _run(arguments: argparse.Namespace) -> int:
    word = arguments.word
    lines = _codes() if word is None else _explained(word.strip("`'\"[]()"))
    print("\n".join(lines))
    return 0


def _codes() -> Iterator[str]:
    for code in all_codes():
        found = explain(code)
        yield f"{code}  {found[0] if found else ''}"


def _explained(word: str) -> Iterator[str]:
    operators = {s.operator: s for s in OPERATOR_FUNCTIONS if s.operator}
    functions = {n: s for n, s in FUNCTIONS.items() if s.operator is None}
    code = explain(word.upper())
    if code is not None:
        return _code(word.upper(), *code)
    if word in DISTRIBUTIONS:
        return _distribution(DISTRIBUTIONS[word])
    if word in WRAPPERS:
        return _wrapper(WRAPPERS[word])
    if word in functions:
        return _function(functions[word])
    if word in operators:
        return _function(operators[word])
    if word in ARCHITECTURES or word in TRANSFORMS or word in SCALAR_MAPS:
        return _built(word)
    if word in METHODS:
        return _method(METHODS[word])
    if word in LATER:
        return iter([f"{word}: {LATER[word]}; a later version brings it"])
    numbered = re.fullmatch(r"(?i:gd)\d*", word)
    known = [*DISTRIBUTIONS, *WRAPPERS, *functions, *ARCHITECTURES, *METHODS]
    known += [*TRANSFORMS, *SCALAR_MAPS]
    near = None if numbered else nearest(word, known)
    remedy = f"did you mean `{near}`?" if near else "`gendsl explain` lists the codes"
    message = f"no code, distribution, function, architecture or method is called `{word}`"
    raise DataError([Diagnostic("GD832", message, help=remedy)])


def _wrapped(text: str, indent: str = "", first: str | None = None) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _code(code: str, title: str, text: str) -> Iterator[str]:
    yield f"{code}: {title}"
    yield ""
    yield from text.split("\n") if "\n" in text else _wrapped(text)


def _distribution(spec: DistributionSpec) -> Iterator[str]:
    yield " or ".join(spec.signature(form) for form in spec.forms)
    yield ""
    yield from _wrapped(spec.summary)
    yield from _parameters(spec)
    support = str(spec.support) if not callable(spec.support) else getdoc(spec.support) or ""
    rank = "" if callable(spec.support) else ("", " vectors", " matrices")[spec.event_dim]
    yield from _wrapped(f"support: {support}{rank}", "  ", "")
    kind = "mass" if spec.discrete else "density"
    yield f"log {kind} (TeX): {spec.density}"


def _parameters(spec: DistributionSpec) -> Iterator[str]:
    if spec.params:
        yield ""
    width = max((len(p.name) for p in spec.params), default=0)
    for p in spec.params:
        default = "" if p.default is None else f", {p.default:g} if left out"
        yield f"  {p.name:<{width}}  {p.meaning}: {p.support}{p.shape}{default}"
    yield ""


def _wrapper(spec: WrapperSpec) -> Iterator[str]:
    yield " or ".join(spec.calls)
    yield ""
    yield from _wrapped(spec.summary)
    yield from _parameters(spec)
    yield f"log density (TeX): {spec.density}"


def _function(spec: FunctionSpec) -> Iterator[str]:
    x, *more = spec.params
    if spec.operator == "if":
        yield "then if condition else otherwise"
    elif spec.operator is not None:
        yield f"{x} {spec.operator} {more[0]}" if more else f"{spec.operator} {x}"
    else:
        rest = ", ..." if spec.variadic else ", axis" if spec.kind is Kind.REDUCTION else ""
        params = [*spec.params, *(f"{p} = ..." for p in spec.optional)]
        yield f"{spec.name}({', '.join(params)}{rest})"
    yield ""
    yield from _wrapped(spec.summary)
    narrow = [
        f"{name} is {domain}"
        for name, domain in zip(spec.params, spec.domain, strict=False)
        if domain != REAL
    ]
    if narrow:
        yield f"defined where {', '.join(narrow)}"
    if spec.tex:
        yield f"value (TeX): {spec.tex}"


def _method(spec: MethodSpec) -> Iterator[str]:
    yield f"{spec.name}: {spec.title}, giving {spec.answer}"
    yield ""
    shown = [o for o in spec.options if o.default is not None and not o.words][:2]
    given = ", ".join(f"{o.name}={o.default:g}" for o in shown)
    yield f"  infer {spec.name}({given})"
    yield ""
    for option in spec.options:
        words = f": {', '.join(option.words)}" if option.words else ""
        value = option.default if option.words else f"{option.default or 0:g}"
        default = "" if option.default is None else f", {value} by default"
        yield f"  {option.name:<18}  {option.meaning}{words}{default}"


def _built(word: str) -> Iterator[str]:
    """What a net or a flow is built from; `linear` is the name of both."""
    if word in ARCHITECTURES:
        net = ARCHITECTURES[word]
        yield from _builder(word, net.title, net.summary, (f"takes: {net.takes}",), net.options)
    if word in TRANSFORMS:
        flow = TRANSFORMS[word]
        facts = (f"maps: {flow.takes}", *_ways(flow))
        yield from _builder(word, f"{flow.title} of flows", flow.summary, facts, flow.options)
    if word in SCALAR_MAPS:
        scalar = SCALAR_MAPS[word]
        title = "a scalar map of couplings, autoregressive and elementwise transforms"
        yield from _builder(word, title, scalar.summary, _ways(scalar), scalar.options)


def _ways(spec: TransformSpec | MapSpec) -> tuple[str, ...]:
    density, draw = spec.inverse.words, spec.forward.words
    return (f"a density: {density}; a draw: {draw}", f"invertible: {spec.condition}")


def _builder(
    name: str,
    title: str,
    summary: str,
    facts: tuple[str, ...],
    options: tuple[ArchitectureOption, ...],
) -> Iterator[str]:
    yield f"{name}(...): {title}"
    yield ""
    yield from _wrapped(summary)
    for fact in facts:
        yield from _wrapped(fact, "  ", "")
    yield ""
    width = max((len(o.name) for o in options), default=0)
    for option in options:
        default = "" if option.default is None else f"; {format_option(option.default)} by default"
        text = f"{option.meaning}: {option.expected}{default}"
        yield from _wrapped(text, " " * (width + 4), f"  {option.name:<{width}}  ")


COMMAND = Command(
    "explain",
    "[WORD]",
    "Explain a code of a message, a distribution, a function, an operator, a network or a method.",
    (
        ("gendsl explain GD301", "what a code means, with an example"),
        ("gendsl explain Normal", "its parameters, their meaning and legal values"),
        ("gendsl explain logsumexp", "what a function computes"),
        ("gendsl explain mlp", "the options of a network"),
        ("gendsl explain nuts", "the options of a method"),
        ("gendsl explain", "all codes"),
    ),
    _declare,
    _run,
)
