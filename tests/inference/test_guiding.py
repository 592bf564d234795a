"""Automatic guides: which laws they have, and what each of them is computed from."""

from __future__ import annotations

from pathlib import Path
from random import Random

import networkx as nx
import pytest

from gendsl.diagnostics import CompileError
from gendsl.frontend import check
from gendsl.inference.guiding import Unguided, dependencies, guide_model
from gendsl.inference.plan import GuideModel
from gendsl.inference.selection import make_plan
from gendsl.ir import nodes as ir
from gendsl.ir.printer import format_architecture, format_ir_expr, format_signature
from gendsl.source import Source
from gendsl.types import POSITIVE, REAL

GOLDEN = Path(__file__).parents[1] / "golden" / "valid"


def model_of(text: str) -> ir.Model:
    return check(Source("guided.gen", f"model Guided\n{text}\n")).ir


def guide_of(text: str, **options: bool) -> GuideModel:
    model = model_of(text)
    latents = tuple(v.name for v in model.of_role("latent"))
    return guide_model(model, latents, **options)


def laws(found: GuideModel) -> dict[str, dict[str, str]]:
    """The arguments of the law of each latent, in the order in which they are drawn."""
    result = {}
    for variable in found.model.of_role("latent"):
        (equation,) = variable.equations
        assert equation.distribution is not None
        result[variable.name] = {n: format_ir_expr(e) for n, e in equation.distribution.args}
    return result


def nets(found: GuideModel) -> dict[str, str]:
    return {n.name: format_signature(n) for n in found.model.nets}


VAE = """
plate image  dim L = 3  dim D = 8
net decode: real[L] -> real[D] = mlp(hidden=[32, 16], activation=tanh)
latent z[image]: real[L] ~ Normal(0, 1)
observe x[image]: binary[D] ~ Bernoulli(logits = decode(z))
"""


def test_a_variational_autoencoder_has_an_encoder_that_mirrors_the_decoder():
    found = guide_of(VAE)
    assert laws(found) == {"z": {"loc": "encode_z(x).loc", "scale": "encode_z(x).scale"}}
    assert nets(found) == {
        "decode": "real[L] -> real[D]",
        "encode_z": "binary[D] -> (loc: real[L], scale: positive[L])",
    }
    encoder = found.model.net("encode_z")
    assert format_architecture(encoder) == "mlp(hidden=[16, 32], activation=tanh)"
    assert found.amortised == {"z"}
    assert found.carried == frozenset()
    assert dict(found.words) == {"z": "amortised: a normal law, computed from `x`"}


def test_the_output_of_a_decoder_is_not_that_of_its_encoder():
    text = VAE.replace("activation=tanh", "output=sigmoid, positive=exp")
    encoder = guide_of(text).model.net("encode_z")
    assert "output" not in dict(encoder.options)


def test_two_layers_are_inverted():
    found = guide_of("""
        plate image  dim L = 3  dim M = 2  dim D = 8
        net top: real[M] -> (loc: real[L], scale: positive[L]) = mlp(hidden=[4])
        net decode: real[L] -> real[D] = mlp(hidden=[16])
        latent z2[image]: real[M] ~ Normal(0, 1)
        latent z1[image]: real[L] ~ Normal(top(z2))
        observe x[image]: real[D] ~ Normal(decode(z1), 1)
    """)
    assert list(laws(found)) == ["z1", "z2"]
    assert laws(found)["z1"]["loc"] == "encode_z1(x).loc"
    assert laws(found)["z2"]["loc"] == "encode_z2(z1).loc"
    assert nets(found)["encode_z2"] == "real[L] -> (loc: real[M], scale: positive[M])"
    assert format_architecture(found.model.net("encode_z2")) == "mlp(hidden=[4])"


def test_a_chain_is_inverted_link_by_link():
    found = guide_of(
        """
        plate n
        latent a[n] ~ Normal(0, 1)
        latent b[n] ~ Normal(a, 1)
        latent c[n] ~ Normal(b, 1)
        observe x[n] ~ Normal(c, 1)
        """,
        amortise=True,
    )
    given = {n: law["loc"] for n, law in laws(found).items()}
    assert given == {"c": "encode_c(x).loc", "b": "encode_b(c).loc", "a": "encode_a(b).loc"}
    assert list(given) == ["c", "b", "a"]


def test_inputs_of_the_rows_are_inputs_of_the_encoder():
    found = guide_of("""
        plate image  plate digit = 10  dim L = 3  dim D = 8
        input label[image]: index(digit)
        net decode: (real[L], index(digit)) -> real[D] = mlp(hidden=[16])
        latent z[image]: real[L] ~ Normal(0, 1)
        observe x[image]: binary[D] ~ Bernoulli(logits = decode(z, label))
    """)
    assert laws(found)["z"]["loc"] == "encode_z(label, x).loc"
    signature = "(index(digit), binary[D]) -> (loc: real[L], scale: positive[L])"
    assert nets(found)["encode_z"] == signature


def test_inputs_that_reach_a_latent_through_lets_are_seen():
    found = guide_of(
        "plate n\ninput c[n]: real\nlet m[n] = 2 * c\nlatent z[n] ~ Normal(m, 1)\n"
        "observe x[n] ~ Normal(z, 1)",
        amortise=True,
    )
    assert laws(found)["z"]["loc"] == "encode_z(c, x).loc"


def test_a_collider_ties_its_parents():
    found = guide_of(
        "plate n\nlatent a[n] ~ Normal(0, 1)\nlatent b[n] ~ Normal(0, 1)\n"
        "observe x[n] ~ Normal(a * b, 1)",
        amortise=True,
    )
    given = {n: law["loc"] for n, law in laws(found).items()}
    assert given == {"b": "encode_b(x).loc", "a": "encode_a(b, x).loc"}


def test_latents_that_are_summed_out_are_not_inputs():
    model = model_of("""
        plate n
        input c[n]: real
        latent z[n] ~ Normal(0, 1)
        latent k[n] ~ Bernoulli(inv_logit(c))
        observe x[n] ~ Normal(z + k, 1)
    """)
    assert dependencies(model, ("z",)) == {"z": ("c", "x")}
    assert dependencies(model, ("z", "k")) == {"z": ("k", "x"), "k": ("c", "x")}


def test_without_networks_every_latent_has_parameters_of_its_own():
    found = guide_of("""
        plate school
        input sigma[school]: positive
        latent mu ~ Normal(0, 5)
        latent tau ~ HalfCauchy(5)
        latent theta[school] ~ Normal(mu, tau)
        observe y[school] ~ Normal(theta, sigma)
    """)
    assert laws(found) == {
        n: {"loc": f"{n}_loc", "scale": f"{n}_scale"} for n in ("mu", "tau", "theta")
    }
    params = {v.name: v for v in found.model.of_role("param")}
    assert params["theta_loc"].axes == ("school",)
    assert params["theta_scale"].type.support == POSITIVE
    assert params["tau_loc"].type.support == REAL
    assert found.carried == {"tau"}
    assert found.amortised == frozenset()
    assert not found.model.nets
    assert set(dict(found.words).values()) == {"a normal law with parameters of its own"}


def test_what_all_rows_share_is_not_computed_from_one():
    found = guide_of("""
        plate n  dim D = 3
        net decode: real -> real[D] = mlp()
        latent mu ~ Normal(0, 1)
        latent z[n] ~ Normal(mu, 1)
        observe x[n]: real[D] ~ Normal(decode(z), 1)
    """)
    assert list(laws(found)) == ["mu", "z"]
    assert laws(found)["mu"]["loc"] == "mu_loc"
    assert laws(found)["z"]["loc"] == "encode_z(mu, x).loc"
    assert found.amortised == {"z"}


def test_what_may_be_missing_is_given_with_a_mask():
    found = guide_of(VAE.replace("binary[D] ~", "binary[D]? ~"))
    assert laws(found)["z"]["loc"] == "encode_z(x).loc"
    assert found.model.net("encode_z").optional == {0}
    assert found.gaps == (("x", 0),)
    assert found.amortised == {"z"}


def test_steps_that_are_not_tied_are_computed_each_from_its_own():
    found = guide_of("""
        plate song  sequence t
        net emit: real -> real = mlp()
        latent z[song, t] ~ Normal(0, 1)
        observe x[song, t] ~ Normal(emit(z), 1)
    """)
    assert laws(found)["z"]["loc"] == "encode_z(x).loc"
    words = "amortised: a normal law, computed from `x` at the same step"
    assert dict(found.words) == {"z": words}


def steps(found: GuideModel, name: str) -> dict[int | None, str]:
    """For each equation of a latent what its mean is computed from."""
    result = {}
    for equation in found.model.variable(name).equations:
        assert equation.distribution is not None
        result[equation.step] = format_ir_expr(dict(equation.distribution.args)["loc"])
    return result


def test_a_state_is_computed_from_the_one_before_and_from_data_to_come():
    found = guide_of("""
        plate song  sequence t  dim L = 2
        input u[song, t]: real
        net step: (real[L], real) -> (loc: real[L], scale: positive[L]) = mlp(hidden=[7])
        latent z[song, 0]: real[L] ~ Normal(0, 1)
        latent z[song, t]: real[L] ~ Normal(step(z[t-1], u))
        observe x[song, t] ~ Normal(sum(z), 1)
    """)
    assert steps(found, "z") == {
        0: "combine_z(zeros(size(L)), later_z[axis 0 = 0]).loc",
        None: "combine_z(z[t-1], later_z[axis 0 over t]).loc",
    }
    (read,) = found.model.variable("later_z").equations
    assert read.value is not None
    assert format_ir_expr(read.value) == "future_z(collect(u, t), collect(x, t))"
    assert nets(found)["future_z"] == "(real[t], real[t]) -> real[t, 7]"
    assert dict(found.words)["z"] == (
        "amortised: a normal law at each step, computed from `z` at the step before and `u`, `x` "
        "at this step and later ones"
    )


def test_what_recurs_with_a_latent_tells_its_past():
    found = guide_of("""
        plate song  sequence t  dim H = 3
        net next: (real[H], real) -> real[H] = mlp(hidden=[7])
        latent z[song, t] ~ Normal(0, 1)
        let h[song, 0]: real[H] = next(zeros(H), z[t=0])
        let h[song, t]: real[H] = next(h[t-1], z)
        observe x[song, t] ~ Normal(sum(h), 1)
    """)
    assert steps(found, "z")[None] == "combine_z(h[t-1], later_z[axis 0 over t]).loc"


def test_the_second_step_of_two_lags_knows_the_first():
    found = guide_of("""
        plate song  sequence t
        net f: real -> real = mlp(hidden=[7])
        latent z[song, 0] ~ Normal(0, 1)
        latent z[song, 1] ~ Normal(0, 1)
        latent z[song, t] ~ Normal(f(z[t-1]) + z[t-2], 1)
        observe x[song, t] ~ Normal(z, 1)
    """)
    assert steps(found, "z") == {
        0: "combine_z(0.0, 0.0, later_z[axis 0 = 0]).loc",
        1: "combine_z(z[t = 0], 0.0, later_z[axis 0 = 1]).loc",
        None: "combine_z(z[t-1], z[t-2], later_z[axis 0 over t]).loc",
    }


def test_a_simplex_has_one_coordinate_less():
    found = guide_of("plate n dim K = 4 net f: simplex[K] -> real = mlp()\n"
                     "latent w[n]: simplex[K] ~ Dirichlet(1)\n"
                     "observe x[n] ~ Normal(f(w), 1)")  # fmt: skip
    signature = "real -> (loc: real[K - 1], scale: positive[K - 1])"
    assert nets(found)["encode_w"] == signature
    assert found.carried == {"w"}


def test_names_do_not_clash():
    found = guide_of(
        "plate n\nnet encode_z: real -> real = mlp()\nlatent z[n] ~ Normal(0, 1)\n"
        "latent mu ~ Normal(0, 1)\nlet mu_loc = 2 * mu\n"
        "observe x[n] ~ Normal(encode_z(z) + mu_loc, 1)"
    )
    assert set(nets(found)) == {"encode_z", "encode_z_"}
    assert laws(found)["mu"] == {"loc": "mu_loc_", "scale": "mu_scale"}


def test_guides_of_the_file_are_kept_and_drawn_when_they_are_needed():
    found = guide_of("""
        plate n
        net f: real -> real = mlp()
        latent a[n] ~ Normal(0, 1)
        latent b[n] ~ HalfNormal(1)
        latent c[n] ~ Normal(0, 1)
        observe x[n] ~ Normal(f(a) + b + c, 1)
        let double[n] = 2 * c
        guide a ~ Normal(double, 1)
        guide b = 0.5
    """)
    drawn = [v.name for v in found.model.of_role("latent", "let")]
    assert drawn.index("c") < drawn.index("double") < drawn.index("a")
    assert dict(found.words)["a"] == "by the guide of the file"
    assert dict(found.words)["b"] == "at a point, by the guide of the file"
    assert dict(found.words)["c"].startswith("amortised")
    assert found.amortised == {"c"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "latent a: unit ~ Uniform(0, 1) latent b: real(0, 1 - a) ~ Uniform(0, 1)\n"
            "observe y ~ Normal(a + b, 1)",
            "the bounds of `b` depend on other quantities",
        ),
        (
            "latent s: covariance[2] ~ InverseWishart(4, eye(2))\n"
            "observe y: real[2] ~ MultivariateNormal(zeros(2), s)",
            "`s` is `covariance`, for which there is no automatic guide",
        ),
    ],
)
def test_latents_without_an_automatic_guide(text, reason):
    with pytest.raises(Unguided) as caught:
        guide_of(text)
    assert str(caught.value) == reason
    ratings = {c.name: c.rating for c in make_plan(model_of(text)).candidates}
    assert ratings["svi"].reason == reason


def test_missing_values_on_which_others_depend_have_a_guide():
    plan = make_plan(
        model_of(
            "plate n\nparam s: positive\nlatent a ~ Normal(0, 1)\n"
            "observe x[n]: real? ~ Normal(a, 1)\nobserve y[n] ~ Normal(x, s)"
        ),
        "svi",
    )
    assert plan.guide is not None
    assert plan.guide.completed == ("x",)
    words = "where it is missing, a normal law with parameters of its own"
    assert plan.treatment["x"] == words


def test_missing_values_along_a_sequence_have_no_guide():
    model = model_of(
        "sequence t\nparam s: positive\nobserve x[t]: real? ~ Normal(0, 1)\n"
        "observe y[t] ~ Normal(x, s)"
    )
    with pytest.raises(CompileError) as caught:
        make_plan(model, "svi")
    reason = "missing values of `x` stand along a sequence, and have no guide"
    assert caught.value.diagnostics[0].message.endswith(reason)


def random_network(rng: Random) -> str:
    """Normal variables in a plate, each depending on some of those before it."""
    lines, known = ["plate n"], []
    for number in range(rng.randint(2, 7)):
        parents = rng.sample(known, min(len(known), rng.randint(0, 3)))
        mean = " * ".join(parents) or "0"
        role = rng.choice(["latent", "latent", "observe"]) if known else "latent"
        lines.append(f"{role} v{number}[n] ~ Normal({mean}, 1)")
        known.append(f"v{number}")
    return "\n".join([*lines, f"observe last[n] ~ Normal({known[-1]}, 1)"])


@pytest.mark.parametrize("seed", range(60))
def test_guides_are_faithful(seed):
    """Given what it is computed from, a latent is independent of all else that is known then."""
    model = model_of(random_network(Random(seed)))
    graph = nx.DiGraph()
    for variable in model.variables:
        graph.add_node(variable.name)
        for equation in variable.equations:
            assert equation.distribution is not None
            for _, arg in equation.distribution.args:
                mentioned = {v.name for v in model.variables if v.name in format_ir_expr(arg)}
                graph.add_edges_from((n, variable.name) for n in mentioned)
    latents = tuple(v.name for v in model.of_role("latent"))
    known = {v.name for v in model.of_role("observed")} | set(latents)
    for name, given in dependencies(model, latents).items():
        known.remove(name)  # the first one is drawn last
        rest = known - set(given)
        assert set(given) <= known
        assert not rest or nx.is_d_separator(graph, {name}, rest, set(given))


# --- the plan -------------------------------------------------------------------------------


def test_the_plan_of_a_guided_model():
    plan = make_plan(check(Source("g.gen", (GOLDEN / "models" / "guides.gen").read_text())).ir)
    text = str(plan)
    assert plan.method == "svi"
    assert text.startswith("inference: svi, giving an approximate posterior")
    assert "bound=iwae" in text.splitlines()[1]
    assert "particles=5" in text.splitlines()[1]
    lines = [line.strip() for line in text.splitlines()]
    assert "z: by the guide of the file" in lines
    assert "tau: at a point, by the guide of the file" in lines
    assert "mu: a normal law with parameters of its own" in lines
    assert "decode: learned as a point" in lines
    assert not any(line.startswith("encode:") for line in lines)


def test_the_plan_of_an_autoencoder():
    plan = make_plan(model_of(VAE))
    assert plan.method == "svi"
    assert plan.guide is not None
    assert dict(plan.treatment) == {
        "z": "amortised: a normal law, computed from `x`",
        "decode": "learned as a point",
    }
    reasons = {c.name: c.rating.reason for c in plan.candidates}
    assert reasons["nuts"] == "`decode` is a net, learned as a point"


def test_a_plan_without_svi_has_no_guide():
    model = model_of("plate n\nlatent a ~ Normal(0, 1)\nobserve y[n] ~ StudentT(3, a, 1)")
    assert make_plan(model).guide is None
    assert make_plan(model, "svi").guide is not None
