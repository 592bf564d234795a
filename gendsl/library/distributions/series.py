"""Distributions of whole series, and of fields over the nodes of a graph."""

from __future__ import annotations

from gendsl.library.distributions.spec import DistributionSpec, Form, Parameter
from gendsl.types import POSITIVE, REAL, UNIT, Index, Size, Structured

__all__ = ["SERIES_AND_FIELDS"]

_START = (
    Parameter("initial_scale", POSITIVE, "standard deviation at the start", symbol="s_0"),
    Parameter("initial_loc", REAL, "mean at the start", default=0.0, symbol="m_0"),
)


def _node(name: str, symbol: str) -> Parameter:
    support = Index(Size.named("N"))
    return Parameter(name, support, "an end of each edge", 1, symbol=symbol, axes="E")


_ADJACENCY = Parameter(
    "adjacency",
    REAL,
    "weight of each pair of nodes, such as 1 for neighbours; 0 for none; symmetric",
    2,
    symbol="W",
    axes="NN",
)

SERIES_AND_FIELDS = (
    DistributionSpec(
        name="GaussianRandomWalk",
        params=(
            Parameter("scale", POSITIVE, "standard deviation of a step", symbol="s"),
            *_START,
            Parameter("drift", REAL, "mean of a step", default=0.0, symbol="d"),
        ),
        forms=(
            Form(
                ("scale", "initial_scale", "initial_loc", "drift"),
                "runtime.GaussianRandomWalk(T, scale, initial_scale, initial_loc, drift)",
            ),
        ),
        support=REAL,
        event_dim=1,
        axes="T",
        lengths={"T": 2},
        log_concave=True,
        gaussian=("initial_loc", "drift"),
        example={"scale": 0.8, "initial_scale": 1.3},
        examples=({"scale": 0.8, "initial_scale": 1.3, "initial_loc": 0.6, "drift": -0.4},),
        summary="A series with independent normal steps; `real[T]` says how long it is.",
        density=(r"\log N(x_0; m_0, s_0) + \sum_{t=1}^{T-1} \log N(x_t; x_{t-1} + d, s)"),
    ),
    DistributionSpec(
        name="AR",
        params=(
            Parameter(
                "coefficients",
                REAL,
                "of the values one step back, two steps back, ...",
                1,
                symbol=r"\phi",
                axes="P",
            ),
            Parameter("scale", POSITIVE, "standard deviation of an innovation", symbol="s"),
            *_START,
            Parameter(
                "initial",
                REAL,
                "the values before the first, in the order of time",
                1,
                symbol=r"x_{-P}, \dots, x_{-1}",
                axes="P",
            ),
            Parameter("intercept", REAL, "added at each step", default=0.0, symbol="c"),
        ),
        forms=(
            Form(
                ("coefficients", "scale", "initial_scale", "initial_loc", "intercept"),
                "runtime.AR(T, coefficients, scale, intercept, initial_loc=initial_loc, "
                "initial_scale=initial_scale)",
            ),
            Form(
                ("coefficients", "scale", "initial", "intercept"),
                "runtime.AR(T, coefficients, scale, intercept, initial=initial)",
            ),
        ),
        support=REAL,
        event_dim=1,
        axes="T",
        lengths={"T": 2},
        log_concave=True,
        gaussian=("initial_loc", "initial", "intercept"),
        gaussian_given=("coefficients", "initial_loc", "intercept"),
        example={"coefficients": [0.6], "scale": 0.9, "initial_scale": 1.2, "intercept": 0.3},
        examples=({"coefficients": [0.5, -0.3], "scale": 0.9, "initial": [0.4, 1.1]},),
        summary="An autoregression; the first P values are N(m_0, s_0), or follow given ones.",
        density=(
            r"\sum_{t < P} \log N(x_t; m_0, s_0)"
            r" + \sum_{t \ge P} \log N(x_t; c + \textstyle\sum_{k=1}^{P} \phi_k x_{t-k}, s);"
            r" \text{ with } x_{-P}, \dots, x_{-1} \text{ given, the second sum over all } t"
        ),
    ),
    DistributionSpec(
        name="ICAR",
        params=(
            _node("node1", "i"),
            _node("node2", "j"),
            _ADJACENCY,
            Parameter(
                "scale",
                POSITIVE,
                "standard deviation of a node given its one neighbour",
                default=1.0,
                symbol="s",
            ),
        ),
        forms=(
            Form(
                ("node1", "node2", "scale"),
                "runtime.ICAR(N, scale, node1=node1, node2=node2)",
            ),
            Form(("adjacency", "scale"), "runtime.ICAR(N, scale, adjacency=adjacency)"),
        ),
        support=Structured("zero_sum"),
        event_dim=1,
        axes="N",
        event_from="adjacency",
        lengths={"N": 3},
        has_rsample=False,
        log_concave=True,
        example={"node1": [0, 1], "node2": [1, 2], "scale": 0.7},
        examples=(
            {
                "adjacency": [[0.0, 1.0, 0.5], [1.0, 0.0, 1.0], [0.5, 1.0, 0.0]],
                "scale": 1.2,
            },
        ),
        summary=(
            "Neighbours in a connected graph are alike; each edge stands once. On fields that sum"
            " to 0 the density is proper and normalised."
        ),
        density=(
            r"-\tfrac{1}{2 s^2} \sum_{i \sim j} W_{ij} (x_i - x_j)^2"
            r" - \tfrac{N - 1}{2} \log(2\pi s^2) + \tfrac{1}{2} \log(N \tau),"
            r" \quad \tau = \text{the weighted number of spanning trees}"
        ),
        references=(
            "Spatial interaction and the statistical analysis of lattice systems (Besag, 1974)",
            "Bayesian hierarchical spatial models: implementing the Besag York Mollié model in"
            " Stan (Morris et al., 2019)",
        ),
    ),
    DistributionSpec(
        name="CAR",
        params=(
            Parameter("loc", REAL, "mean", 1, symbol="m", axes="N"),
            _ADJACENCY,
            Parameter(
                "alpha", UNIT, "dependence: 0 is independence, 1 is improper", symbol=r"\alpha"
            ),
            Parameter(
                "scale", POSITIVE, "standard deviation of a node with one neighbour", symbol="s"
            ),
        ),
        forms=(
            Form(
                ("loc", "adjacency", "alpha", "scale"),
                "runtime.CAR(loc, adjacency, alpha, scale)",
            ),
        ),
        support=REAL,
        event_dim=1,
        axes="N",
        event_from="adjacency",
        symmetric=True,
        log_concave=True,
        gaussian=("loc",),
        example={
            "loc": [0.5, -0.4],
            "adjacency": [[0.0, 1.5], [1.5, 0.0]],
            "alpha": 0.6,
            "scale": 1.1,
        },
        summary="The proper conditional autoregression over a graph.",
        density=(
            r"-\tfrac{1}{2} (x - m)^\top Q (x - m) + \tfrac{1}{2} \log\det\tfrac{Q}{2\pi},"
            r" \quad Q = (D - \alpha W) / s^2, \; D = \operatorname{diag}(W 1)"
        ),
        references=(
            "Generalized hierarchical multivariate CAR models for areal data"
            " (Jin, Carlin and Banerjee, 2005)",
        ),
    ),
)
