"""Continuous distributions of whole vectors."""

from __future__ import annotations

from gendsl.library.distributions.spec import DistributionSpec, Form, Kernel, Parameter
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
        family="dirichlet",
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
        kernels=(
            Kernel("covariance_matrix", "gamma", -1),
            Kernel("precision_matrix", "gamma"),
            Kernel("scale_tril", "gamma", -2),
        ),
        example={"loc": [0.5, -1.0], "covariance_matrix": [[1.5, 0.4], [0.4, 0.8]]},
        examples=(
            {"loc": [0.0, 1.0], "precision_matrix": [[2.0, -0.5], [-0.5, 1.0]]},
            {"loc": [1.0, 0.0], "scale_tril": [[1.2, 0.0], [0.3, 0.7]]},
        ),
        correlated=("covariance_matrix", "precision_matrix", "scale_tril"),
        gaussian=("loc",),
        summary="Correlated normal values.",
        density=(
            r"-\tfrac{1}{2} (x - m)^\top \Sigma^{-1} (x - m)"
            r" - \tfrac{1}{2} \log\det(2\pi\Sigma)"
        ),
    ),
    DistributionSpec(
        name="GaussianProcess",
        points="x",
        params=(
            Parameter(
                "kernel", Structured("covariance"), "covariance of each two points", 2, symbol="K"
            ),
            Parameter("loc", REAL, "mean at each point", 1, default=0.0, symbol="m"),
            Parameter("noise", POSITIVE, "standard deviation of independent noise", 1, symbol="s"),
        ),
        forms=(
            Form(("kernel", "loc"), "runtime.gaussian_process(kernel, loc)"),
            Form(("kernel", "loc", "noise"), "runtime.gaussian_process(kernel, loc, noise)"),
        ),
        support=REAL,
        event_dim=1,
        event_from="kernel",
        correlated=("kernel",),
        gaussian=("loc",),
        symmetric=True,
        log_concave=True,
        example={"kernel": [[1.5, 0.4], [0.4, 0.8]], "loc": [0.5, -1.0]},
        examples=({"kernel": [[1.5, 1.2], [1.2, 1.0]], "loc": [0.5, -1.0], "noise": [0.7, 0.4]},),
        summary="Values of a random function at the points `x`, a vector or a matrix with a row "
        "for each. Covariance functions in `kernel` are written without their points: "
        "`GaussianProcess(x, matern32(1, 0.5))`. To each variance is added 1.5e-8 of their mean, "
        "the square root of the rounding error.",
        density=(
            r"-\tfrac{1}{2} (x - m)^\top \Sigma^{-1} (x - m)"
            r" - \tfrac{1}{2} \log\det(2\pi\Sigma), \quad"
            r" \Sigma = K + \operatorname{diag}(s^2 + \varepsilon)"
        ),
        references=(
            "Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 2.2",
        ),
    ),
    DistributionSpec(
        name="MultivariateStudentT",
        params=(
            Parameter("df", POSITIVE, "degrees of freedom", symbol=r"\nu"),
            Parameter("loc", REAL, "centre", 1, symbol="m"),
            Parameter(
                "scale",
                Structured("covariance"),
                "scale matrix: the covariance times (df - 2) / df",
                2,
                symbol=r"\Sigma",
            ),
            Parameter(
                "scale_tril",
                Structured("cholesky"),
                "Cholesky factor of the scale matrix",
                2,
                symbol=r"L: L L^\top = \Sigma",
            ),
        ),
        forms=(
            Form(
                ("df", "loc", "scale"),
                "dist.MultivariateStudentT(df, loc, torch.linalg.cholesky(scale))",
            ),
            Form(("df", "loc", "scale_tril"), "dist.MultivariateStudentT(df, loc, scale_tril)"),
        ),
        support=REAL,
        event_dim=1,
        event_from="loc",
        symmetric=True,
        example={"df": 5.0, "loc": [0.5, -1.0], "scale": [[1.5, 0.4], [0.4, 0.8]]},
        examples=({"df": 9.0, "loc": [1.0, 0.0], "scale_tril": [[1.2, 0.0], [0.3, 0.7]]},),
        summary="Correlated values with heavy tails, which are far out together.",
        density=(
            r"\log\Gamma(\tfrac{\nu + K}{2}) - \log\Gamma(\tfrac{\nu}{2})"
            r" - \tfrac{1}{2} \log\det(\pi\nu\Sigma)"
            r" - \tfrac{\nu + K}{2} \log(1 + (x - m)^\top \Sigma^{-1} (x - m) / \nu)"
        ),
        references=(
            "Multivariate t-distributions and their applications (Kotz and Nadarajah, 2004)",
        ),
    ),
)
