"""The plan: from facts alone to an algorithm with reasons, and what the data change in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gendsl
from gendsl.graph.facts import Facts, derive_facts
from gendsl.graph.obstacles import Obstacle
from gendsl.inference.algorithms import ALGORITHMS
from gendsl.inference.plan import Competence

NOTHING = Facts()
GOLDEN = Path(__file__).parents[1] / "golden" / "valid"


def ratings(facts: Facts) -> dict[str, Competence]:
    return {a.name: a.rate(facts).competence for a in ALGORITHMS.values()}


def able(facts: Facts) -> set[str]:
    return {n for n, c in ratings(facts).items() if c is not Competence.INCOMPATIBLE}


def test_nothing_unknown_suits_no_algorithm():
    assert able(NOTHING) == set()


def test_continuous_latents_are_sampled():
    facts = replace(NOTHING, continuous=("a", "b"))
    assert able(facts) == {"nuts", "map", "svi"}
    assert ratings(facts)["nuts"] > max(ratings(facts)["map"], ratings(facts)["svi"])


def test_nets_and_params_beside_latents_are_learned_by_a_bound():
    for learned in (replace(NOTHING, nets=("f",)), replace(NOTHING, params=("w",))):
        facts = replace(learned, continuous=("z",))
        assert ratings(facts)["svi"] is Competence.PREFERRED
        assert able(facts) <= {"svi", "map"}
    assert able(replace(NOTHING, nets=("f",), continuous=("z",))) == {"svi"}
    assert able(replace(NOTHING, nets=("f",))) == {"mle", "svi"}
    assert ratings(replace(NOTHING, params=("w",)))["mle"] is Competence.PREFERRED


def test_a_guide_of_the_file_is_a_choice_of_its_method():
    latents = replace(NOTHING, continuous=("a",), guided=("a",))
    for facts in (latents, replace(latents, integrable=(("gaussian", ("a",)),))):
        found = ratings(facts)
        assert max(found, key=lambda n: (found[n], -ALGORITHMS[n].rate(facts).cost)) == "svi"
    assert ratings(replace(facts, guided=()))["exact"] is Competence.IDEAL


def test_svi_takes_discrete_latents_and_refuses_what_it_cannot_normalise():
    facts = replace(NOTHING, continuous=("a",), nets=("f",))
    assert able(replace(facts, finite=("z",))) == {"svi"}
    assert "svi" not in able(replace(facts, energies=1))
    assert "svi" not in able(replace(facts, finite=("z",), chains=("z",)))


def test_finite_latents_are_enumerated_exactly():
    facts = replace(NOTHING, finite=("z",))
    assert able(facts) == {"enumeration"}
    assert ratings(facts)["enumeration"] is Competence.IDEAL


def test_params_are_learned_by_maximum_likelihood():
    facts = replace(NOTHING, params=("w",), finite=("z",))
    assert ratings(facts)["mle"] is Competence.PREFERRED
    assert "nuts" not in able(facts)


def test_an_obstacle_counts_against_everything():
    obstacle = Obstacle("z", "members are combined")
    for facts in (
        replace(NOTHING, continuous=("a",), finite=("z",), obstacles=(obstacle,)),
        replace(NOTHING, finite=("z",), obstacles=(obstacle,)),
        replace(NOTHING, params=("w",), finite=("z",), obstacles=(obstacle,)),
    ):
        assert able(facts) == {"svi"}  # which may draw them
        for algorithm in ALGORITHMS.values():
            assert algorithm.rate(facts).reason


def compiled_golden():
    for path in sorted(GOLDEN.glob("*.gen")):
        try:
            yield path.stem, gendsl.load(path)
        except gendsl.CompileError:
            continue


def test_no_two_algorithms_tie_on_a_golden_model():
    seen = 0
    for _, model in compiled_golden():
        ranks = [
            (c.rating.competence, c.rating.cost)
            for c in model.plan.candidates
            if c.rating.competence > Competence.COMPATIBLE
        ]
        assert len(set(ranks)) == len(ranks)
        seen += 1
    assert seen >= 4


def test_a_plan_reads_well():
    text = str(gendsl.load(GOLDEN / "gaussian_mixture.gen").plan)
    assert text.startswith("inference: nuts, giving draws from the posterior")
    assert "z: summed out exactly, and recovered afterwards" in text
    assert "* nuts" in text
    assert "params" not in text.split("candidates:")[0]


def test_facts_of_a_mixture():
    model = gendsl.load(GOLDEN / "gaussian_mixture.gen")
    facts = derive_facts(model.compiled.checked.ir)
    assert facts.finite == ("z",)
    assert facts.cardinalities == (("z", 3),)
    assert set(facts.continuous) == {"weights", "mu", "scale"}


VARYING = """model Varying
plate g  plate n
input of[n]: index(g)
latent tau ~ HalfNormal(1)
latent a[g] ~ Normal(0, tau)
let at[n] = 1 + a[of]
observe y[n] ~ StudentT(5, at, 1)
"""


def fitted(text, data, **options):
    return gendsl.compile(text).fit(data, draws=10, warmup=10, chains=1, progress=False, **options)


def test_members_are_centred_as_far_as_the_data_inform_them():
    rng = np.random.default_rng(1)
    rows = np.array([1, 1, 1, 30, 300])
    of = np.repeat(np.arange(5), rows)
    data = {"of": of, "y": rng.normal(size=5)[of] + rng.standard_t(5, size=len(of))}
    found = fitted(VARYING, data)
    (rewrite,) = [r for r in found.compiled.plan.rewrites if r.kind == "centred in part"]
    assert rewrite.variables == ("a",)
    assert rewrite.rule.endswith("to 1")


@pytest.mark.parametrize(("noise", "kept"), [(5.0, ("x",)), (0.02, ())])
def test_what_is_measured_well_is_centred(noise, kept):
    text = """model Measured
plate n
input noise: positive
latent tau ~ HalfNormal(2)
latent x[n] ~ Normal(3, tau)
observe seen[n] ~ Logistic(x, noise)
"""
    x = 3 + np.random.default_rng(2).normal(size=30)
    data = {"noise": noise, "seen": x}
    assert fitted(text, data).compiled.plan.noncentred == kept
    assert fitted(text, data, treat={"x": "noncentred"}).compiled.plan.noncentred == ("x",)


@pytest.mark.parametrize(
    ("law", "moved"),
    [
        ("SkewNormal(mu, tau, 2)", True),
        ("AsymmetricLaplace(mu, tau, 1.5)", True),
        ("ExGaussian(mu, tau, 2)", False),  # its rate is no part of the scale
    ],
)
def test_only_families_of_a_location_and_a_scale_are_non_centred(law, moved):
    model = gendsl.compile(f"""model M
plate g
latent mu ~ Normal(0, 1)
latent tau ~ HalfNormal(1)
latent theta[g] ~ {law}
observe y[g] ~ Normal(theta, 1)
""")
    assert (derive_facts(model.compiled.checked.ir).location_scale == ("theta",)) == moved
