"""Distributions of matrices."""

from __future__ import annotations

from gendsl.library.distributions.spec import DistributionSpec, Form, Parameter
from gendsl.types import POSITIVE, REAL, Structured

__all__ = ["MATRICES"]

_ETA = Parameter(
    "concentration", POSITIVE, "1 is uniform; above it entries shrink to 0", symbol=r"\eta"
)
_DF = Parameter("df", POSITIVE, "degrees of freedom, more than D - 1", symbol=r"\nu")
_LKJ_SOURCE = (
    "Generating random correlation matrices based on vines and extended onion method"
    " (Lewandowski, Kurowicka and Joe, 2009)",
)
_LKJ_NORMALIZER = (
    r"\log Z = \sum_{k=1}^{D-1} \bigl(\tfrac{k}{2} \log\pi"
    r" + \log\Gamma(\eta + \tfrac{D - 1 - k}{2}) - \log\Gamma(\eta + \tfrac{D - 1}{2})\bigr)"
)


def _scale(meaning: str) -> tuple[Parameter, Parameter]:
    return (
        Parameter("scale", Structured("covariance"), meaning, 2, symbol="V", axes="DD"),
        Parameter(
            "scale_tril",
            Structured("cholesky"),
            "Cholesky factor of the scale matrix",
            2,
            symbol=r"L: L L^\top = V",
            axes="DD",
        ),
    )


def _tril(name: str, what: str, axes: str, symbol: str) -> Parameter:
    meaning = f"Cholesky factor of the covariance between {what}"
    return Parameter(name, Structured("cholesky"), meaning, 2, symbol=symbol, axes=axes)


MATRICES = (
    DistributionSpec(
        name="LKJ",
        params=(_ETA,),
        forms=(Form(("concentration",), "runtime.LKJ(D, concentration)"),),
        support=Structured("correlation"),
        event_dim=2,
        axes="DD",
        lengths={"D": 3},
        has_rsample=False,
        example={"concentration": 2.5},
        summary="Correlation matrices; each correlation is Beta on (-1, 1), centred at 0.",
        density=r"(\eta - 1) \log\det x - \log Z, \quad " + _LKJ_NORMALIZER,
        references=_LKJ_SOURCE,
    ),
    DistributionSpec(
        name="LKJCholesky",
        params=(_ETA,),
        forms=(Form(("concentration",), "runtime.LKJCholesky(D, concentration)"),),
        support=Structured("cholesky_correlation"),
        event_dim=2,
        axes="DD",
        lengths={"D": 3},
        has_rsample=False,
        example={"concentration": 2.5},
        summary="The Cholesky factor of an LKJ correlation matrix.",
        density=(
            r"\sum_{i=2}^{D} (D - i + 2\eta - 2) \log x_{ii} - \log Z, \quad " + _LKJ_NORMALIZER
        ),
        references=_LKJ_SOURCE,
    ),
    DistributionSpec(
        name="Wishart",
        params=(_DF, *_scale("scale matrix; the mean is df times it")),
        forms=(
            Form(("df", "scale"), "runtime.Wishart(df, torch.linalg.cholesky(scale))"),
            Form(("df", "scale_tril"), "runtime.Wishart(df, scale_tril)"),
        ),
        support=Structured("covariance"),
        event_dim=2,
        axes="DD",
        event_from="scale",
        example={"df": 4.5, "scale": [[0.6, 0.2], [0.2, 0.3]]},
        examples=({"df": 3.5, "scale_tril": [[0.9, 0.0], [-0.2, 0.5]]},),
        summary="Sums of squares and products of `df` centred normal vectors.",
        density=(
            r"\tfrac{\nu - D - 1}{2} \log\det x - \tfrac{1}{2} \operatorname{tr}(V^{-1} x)"
            r" - \tfrac{\nu}{2} \log\det(2 V) - \log\Gamma_D(\tfrac{\nu}{2})"
        ),
        references=(
            "The generalised product moment distribution in samples from a normal multivariate"
            " population (Wishart, 1928)",
        ),
    ),
    DistributionSpec(
        name="InverseWishart",
        params=(_DF, *_scale("scale matrix; the mean is it over df - D - 1")),
        forms=(
            Form(("df", "scale"), "runtime.InverseWishart(df, torch.linalg.cholesky(scale))"),
            Form(("df", "scale_tril"), "runtime.InverseWishart(df, scale_tril)"),
        ),
        support=Structured("covariance"),
        event_dim=2,
        axes="DD",
        event_from="scale",
        example={"df": 6.0, "scale": [[1.5, 0.4], [0.4, 0.8]]},
        examples=({"df": 5.0, "scale_tril": [[0.9, 0.0], [-0.2, 0.5]]},),
        summary="The inverse of a Wishart matrix; conjugate for a normal covariance.",
        density=(
            r"\tfrac{\nu}{2} \log\det V - \tfrac{\nu + D + 1}{2} \log\det x"
            r" - \tfrac{1}{2} \operatorname{tr}(V x^{-1})"
            r" - \tfrac{\nu D}{2} \log 2 - \log\Gamma_D(\tfrac{\nu}{2})"
        ),
    ),
    DistributionSpec(
        name="MatrixNormal",
        params=(
            Parameter("loc", REAL, "mean", 2, symbol="M", axes="ND"),
            Parameter(
                "row_covariance",
                Structured("covariance"),
                "covariance between rows",
                2,
                symbol="U",
                axes="NN",
            ),
            Parameter(
                "column_covariance",
                Structured("covariance"),
                "covariance between columns",
                2,
                symbol="V",
                axes="DD",
            ),
            _tril("row_scale_tril", "rows", "NN", r"A: A A^\top = U"),
            _tril("column_scale_tril", "columns", "DD", r"B: B B^\top = V"),
        ),
        forms=(
            Form(
                ("loc", "row_covariance", "column_covariance"),
                "runtime.MatrixNormal(loc, torch.linalg.cholesky(row_covariance), "
                "torch.linalg.cholesky(column_covariance))",
            ),
            Form(
                ("loc", "row_scale_tril", "column_scale_tril"),
                "runtime.MatrixNormal(loc, row_scale_tril, column_scale_tril)",
            ),
        ),
        support=REAL,
        event_dim=2,
        axes="ND",
        event_from="loc",
        symmetric=True,
        log_concave=True,
        gaussian=("loc",),
        example={
            "loc": [[0.5, -1.0]],
            "row_covariance": [[1.5]],
            "column_covariance": [[1.2, 0.4], [0.4, 0.8]],
        },
        examples=(
            {
                "loc": [[0.5], [-1.0]],
                "row_scale_tril": [[0.9, 0.0], [-0.2, 0.5]],
                "column_scale_tril": [[1.3]],
            },
        ),
        summary="Normal matrices; rows are correlated among themselves, and so are columns.",
        density=(
            r"-\tfrac{1}{2} \operatorname{tr}(V^{-1} (x - M)^\top U^{-1} (x - M))"
            r" - \tfrac{D}{2} \log\det U - \tfrac{N}{2} \log\det V - \tfrac{N D}{2} \log 2\pi"
        ),
        references=(
            "Some matrix-variate distribution theory: notational considerations and a Bayesian"
            " application (Dawid, 1981)",
        ),
    ),
)
