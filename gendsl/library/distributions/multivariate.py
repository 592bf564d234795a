"""Continuous distributions of whole vectors."""

from __future__ import annotations

from gendsl.library.distributions.spec import DistributionSpec, Form, Parameter
from gendsl.types import POSITIVE, REAL, Structured

__all__ = ["MULTIVARIATE"]

MULTIVARIATE = (
    DistributionSpec(
        name="Dirichlet",
        params=(Parameter("concentration", POSITIVE, "weight of each category", 1, symbol="a"),),
        forms=(Form(("concentration",), "dist.Dirichlet(concentration)"),),
        support=Structured("simplex"),
        event_dim=1,
        event_from="concentration",
        example={"concentration": [1.5, 2.0, 3.0]},
        examples=({"concentration": [1.0, 1.0, 1.0]},),
        summary="Probabilities that sum to 1; conjugate for those of categories.",
        density=(
            r"\log\Gamma(\textstyle\sum_k a_k) + \sum_k ((a_k - 1) \log x_k - \log\Gamma(a_k))"
        ),
    ),
    DistributionSpec(
        name="MultivariateNormal",
        params=(
            Parameter("loc", REAL, "mean", 1, symbol="m"),
            Parameter(
                "covariance_matrix", Structured("covariance"), "covariance", 2, symbol=r"\Sigma"
            ),
            Parameter(
                "precision_matrix",
                Structured("covariance"),
                "inverse covariance",
                2,
                symbol=r"\Sigma^{-1}",
            ),
            Parameter(
                "scale_tril",
                Structured("cholesky"),
                "Cholesky factor of the covariance",
                2,
                symbol=r"L: L L^\top = \Sigma",
            ),
        ),
        forms=(
            Form(
                ("loc", "covariance_matrix"),
                "dist.MultivariateNormal(loc, covariance_matrix)",
            ),
            Form(
                ("loc", "precision_matrix"),
                "dist.MultivariateNormal(loc, precision_matrix=precision_matrix)",
            ),
            Form(
                ("loc", "scale_tril"),
                "dist.MultivariateNormal(loc, scale_tril=scale_tril)",
            ),
        ),
        support=REAL,
        event_dim=1,
        event_from="loc",
        symmetric=True,
        log_concave=True,
        example={"loc": [0.5, -1.0], "covariance_matrix": [[1.5, 0.4], [0.4, 0.8]]},
        examples=(
            {"loc": [0.0, 1.0], "precision_matrix": [[2.0, -0.5], [-0.5, 1.0]]},
            {"loc": [1.0, 0.0], "scale_tril": [[1.2, 0.0], [0.3, 0.7]]},
        ),
        summary="Correlated normal values.",
        density=(
            r"-\tfrac{1}{2} (x - m)^\top \Sigma^{-1} (x - m)"
            r" - \tfrac{1}{2} \log\det(2\pi\Sigma)"
        ),
    ),
)
