"""Nets and guides: their types, and where calls of nets may stand."""

from __future__ import annotations

import pytest

from gendsl.diagnostics import CompileError
from gendsl.frontend import check
from gendsl.ir import nodes as ir
from gendsl.ir.printer import format_architecture, format_ir_expr, format_signature
from gendsl.ir.traversal import called_nets, equation_expressions, variable_expressions, walk
from gendsl.library.architectures import ARCHITECTURES
from gendsl.semantics.written_nets import written_net
from gendsl.source import Source
from gendsl.types import POSITIVE, REAL, Index, Size, Structured, ValueType

HEAD = """model Nets
plate n  plate m  plate group = 3
dim D = 2  dim L = 3
input x[n]: real[D]
input u[m]: real
input p[n]: positive
input k[n]: index(group)
net one: real[D] -> real = mlp()
net several: (real[D], real, index(group)) -> real[L] = mlp(hidden=[4])
net record: real[D] -> (loc: real, scale: positive) = mlp(hidden=[8, 4], activation=tanh)
net choose: real[D] -> simplex[group] = linear()
"""


def model_of(text: str) -> ir.Model:
    return check(Source("nets.gen", HEAD + text)).ir


def codes_of(text: str) -> list[str]:
    with pytest.raises(CompileError) as caught:
        model_of(text)
    return [d.code for d in caught.value.diagnostics]


def calls(model: ir.Model) -> list[ir.NetCall]:
    exprs = [x for v in model.variables for x in variable_expressions(v)]
    exprs += [e.value for e in model.energies]
    return [e for e in walk(*exprs) if isinstance(e, ir.NetCall)]


def let_type(expression: str) -> ValueType:
    """The type of an expression over the plates that it has."""
    text = f"let it[n, m] = {expression}\nobserve y[n] ~ Normal(0, 1)\n"
    (equation,) = model_of(text).variable("it").equations
    assert equation.value is not None
    return equation.value.type


def named(*plates: str, event: tuple[str, ...] = (), support=REAL) -> ValueType:
    return ValueType(frozenset(plates), tuple(Size.named(e) for e in event), support)


TYPES = {
    "one(x)": named("n"),
    "one([u, 1])": named("m"),
    "one([0, 1])": named(),
    "several(x, u, k)": named("n", "m", event=("L",)),
    "several(x, 1, k)": named("n", event=("L",)),
    "sum(several(x, p, k))": named("n"),
    "record(x).scale": named("n", support=POSITIVE),
    "record([record(x).loc, u]).loc": named("n", "m"),
    "log(record(x).scale)": named("n"),
    "choose(x)": named("n", event=("group",), support=Structured("simplex")),
    "choose(x)[k]": named("n", support=None),
    "several(x, 1, k)[0]": named("n"),
}


@pytest.mark.parametrize("expression", TYPES)
def test_types_of_calls(expression):
    wanted, found = TYPES[expression], let_type(expression)
    assert (found.plates, found.event) == (wanted.plates, wanted.event)
    if wanted.support is not None:
        assert found.support == wanted.support


WRONG = {
    "one(x, x)": "GD211",
    "one()": "GD211",
    "one(z = x)": "GD211",
    "several(x, u)": "GD211",
    "one(u)": "GD212",
    "one([u, 1, 2])": "GD212",
    "several(x, u, 1.5)": "GD212",
    "several(x, u, 0)": "GD212",
    "several(x, x, k)": "GD212",
    "record(x)": "GD223",
    "record(x).mean": "GD223",
    "one(x).loc": "GD223",
    "log(one(x))": "GD402",
    "one": None,
    "unknown(x)": None,
}


@pytest.mark.parametrize("expression", WRONG)
def test_wrong_calls_are_told_once(expression):
    text = f"let it[n, m] = {expression}\nobserve y[n] ~ Normal(it, 1)\n"
    found = codes_of(text)
    assert len(found) == 1
    assert found == [WRONG[expression]] or WRONG[expression] is None


def test_an_argument_that_is_wrong_is_told_alone():
    assert codes_of("observe y[n] ~ Normal(one(x + nothing), 1)") == ["GD107"]


def test_all_values_of_a_net_are_the_parameters_of_a_distribution():
    model = model_of("observe y[n] ~ Normal(record(x))\n")
    (equation,) = model.variable("y").equations
    assert equation.distribution is not None
    args = dict(equation.distribution.args)
    assert {n: format_ir_expr(e) for n, e in args.items()} == {
        "loc": "record(x).loc",
        "scale": "record(x).scale",
    }


def test_values_that_are_no_parameters_are_refused():
    text = "net pair: real[D] -> (loc: real, width: positive) = mlp()\n"
    assert codes_of(text + "observe y[n] ~ Normal(pair(x))\n") != []
    assert codes_of("observe y[n] ~ Normal(record(x), 1)\n") == ["GD223"]


@pytest.mark.parametrize(
    "text",
    [
        "observe y[n] ~ Normal(one(x), 1)",
        "let e[n] = one(x)\nobserve y[n] ~ Normal(e, 1)",
        "fn f(v: real[D]): real = 2 * one(v)\nobserve y[n] ~ Normal(f(x), 1)",
        "observe y[n] ~ Mixture([0.5, 0.5], Normal(one(x), 1), Normal(0, 1))",
        "observe y[n]: real(0, inf) ~ Normal(one(x), 1)",
        "latent z[n] ~ Normal(0, 1)\nobserve y[n] ~ Normal(one([z, 1]) if z > 0 else 0, 1)",
    ],
)
def test_places_where_a_call_may_stand(text):
    model = model_of(text)
    assert {c.net for c in calls(model)} == {"one"}


def test_nets_in_the_order_of_the_text_with_their_options():
    model = model_of("observe y[n] ~ Normal(0, 1)")
    assert [n.name for n in model.nets] == ["one", "several", "record", "choose"]
    several = model.net("several")
    assert several.inputs[2] == ValueType(support=Index(Size.named("group")))
    assert several.options == (("hidden", (4,)),)
    assert model.net("record").output("scale").support == POSITIVE


def test_a_net_that_is_not_used_is_declared_and_not_called():
    model = model_of("observe y[n] ~ Normal(one(x), 1)")
    exprs = [x for v in model.variables for x in variable_expressions(v)]
    assert called_nets(*exprs) == ("one",)


@pytest.mark.parametrize("name", ["one", "several", "record", "choose"])
def test_what_is_printed_is_the_same_net(name):
    net = model_of("observe y[n] ~ Normal(0, 1)").net(name)
    text = f"{format_signature(net)} = {format_architecture(net)}"
    again = written_net(text, {"D": 2, "L": 3, "group": 3})
    assert (again.inputs, again.outputs) == (net.inputs, net.outputs)
    assert (again.architecture, again.options) == (net.architecture, net.options)


def test_a_written_net_that_is_wrong():
    with pytest.raises(CompileError, match="GD220"):
        written_net("real -> real = mpl()", {})
    with pytest.raises(CompileError, match="GD222"):
        written_net("real -> count = mlp()", {})


def test_every_architecture_may_be_named():
    for name in ARCHITECTURES:
        try:
            written_net(f"real[16, 4, 4] -> real[16] = {name}()", {})
        except CompileError as error:
            assert [d.code for d in error.diagnostics] == ["GD222"]  # noqa: PT017


# --- guides ---------------------------------------------------------------------------------

LATENTS = """
latent a[n]: real[L] ~ Normal(0, 1)
latent b ~ HalfNormal(1)
latent c ~ Normal(0, 1)
observe y[n] ~ Normal(sum(a) + b * c, 1)
net back: real -> (loc: real[L], scale: positive[L]) = mlp()
"""


def guides(text: str) -> tuple[ir.Guide, ...]:
    return model_of(LATENTS + text).guides


def test_a_guide_has_the_plates_of_its_latent():
    for left in ("a", "a[n]"):
        (guide,) = guides(f"guide {left} ~ Normal(back(y))")
        assert guide.name == "a"
        assert guide.equation.distribution is not None
        assert guide.equation.distribution.type.event == (Size.named("L"),)


def test_guides_stand_after_those_they_use_through_lets():
    found = guides("let d = 2 * b\nguide c ~ Normal(d, 1)\nguide b ~ LogNormal(0, 1)")
    assert [g.name for g in found] == ["b", "c"]


def test_a_guide_at_a_point():
    (guide,) = guides("guide b = exp(c)")
    assert guide.equation.distribution is None
    assert [format_ir_expr(e) for e in equation_expressions(guide.equation)] == ["exp(c)"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("guide a[m] ~ Normal(0, 1)", "GD604"),
        ("guide nothing ~ Normal(0, 1)", "GD602"),
        ("guide y ~ Normal(0, 1)", "GD602"),
        ("guide c ~ Normal(y, 1)", "GD301"),
        ("guide b ~ Normal(0, 1)", "GD603"),
        ("guide b ~ Uniform(0, 1)", "GD603"),
        ("guide c ~ LogNormal(0, 1)", "GD603"),
        ("guide c ~ Poisson(1)", "GD603"),
        ("guide c = y", "GD301"),
        ("guide b = c", "GD404"),
        ("guide a = c * [1, 2]", "GD303"),
        ("guide c ~ Normal(0, 1) guide c ~ Normal(0, 2)", "GD101"),
        ("guide c ~ Normal(b, 1) guide b ~ LogNormal(c, 1)", "GD604"),
        ("guide c ~ Normal(c, 1)", "GD604"),
        ("guide a ~ Normal(back(y).loc)", "GD214"),
    ],
)
def test_wrong_guides(text, code):
    assert code in codes_of(LATENTS + text)


@pytest.mark.parametrize(
    "text",
    [
        "guide b ~ LogNormal(0, 1)",
        "guide b ~ Gamma(2, 1)",
        "guide c ~ StudentT(4, b, 1)",
        "guide a ~ Normal(0, 1)",
        "guide a ~ MultivariateNormal(zeros(L), eye(L))",
        "guide c ~ Mixture([0.5, 0.5], Normal(-1, 1), Normal(1, 1))",
    ],
)
def test_families_that_fit(text):
    (guide,) = guides(text)
    assert guide.equation.distribution is not None
