"""Increasing functions of one number, which couplings and autoregressive transforms apply."""

from __future__ import annotations

from gendsl.library.architectures.spec import ArchitectureOption, OptionKind
from gendsl.library.transforms.spec import MapSpec, Way

__all__ = ["MAPS"]


def _whole(name: str, default: int, lower: int, upper: int, meaning: str) -> ArchitectureOption:
    return ArchitectureOption(name, OptionKind.WHOLE, default, meaning, lower, upper)


MAPS = (
    MapSpec(
        name="additive",
        summary="A shift; volumes stay as they are.",
        formula=r"x = u + b",
        condition="always invertible",
        references=("Dinh, Krueger and Bengio (2015), NICE, ICLR workshop",),
    ),
    MapSpec(
        name="affine",
        summary="A shift and a positive scale.",
        formula=r"x = u e^{s} + b",
        condition="always invertible; log scales are kept within 7 of 0 by a smooth bound",
        references=("Dinh, Sohl-Dickstein and Bengio (2017), Real NVP, ICLR",),
    ),
    MapSpec(
        name="spline",
        summary="A monotone rational-quadratic spline, and the identity outside its range.",
        formula=r"x = y_k + \frac{h_k (s_k \xi^2 + d_k \xi (1 - \xi))}"
        r"{s_k + (d_{k+1} + d_k - 2 s_k) \xi (1 - \xi)}, \quad \xi = (u - x_k) / w_k",
        options=(
            _whole("bins", 8, 2, 1000, "how many pieces"),
            ArchitectureOption(
                "bound", OptionKind.REAL, 5.0, "half the length of its range", 1e-3, 1e6
            ),
        ),
        condition="widths, heights and slopes are kept above 0.001",
        references=(
            "Durkan, Bekasov, Murray and Papamakarios (2019), Neural spline flows, NeurIPS",
        ),
    ),
    MapSpec(
        name="mixture_cdf",
        summary="To the base by the distribution function of a mixture of logistics.",
        formula=r"u = e^{s} \operatorname{logit}\Big(\sum_k \pi_k "
        r"\sigma\big((x - \mu_k) / \tau_k\big)\Big) + b",
        options=(_whole("components", 4, 1, 1000, "of the mixture"),),
        forward=Way.SOLVED,
        condition="always invertible; to the data by bisection between the components' quantiles",
        references=("Ho, Chen, Srinivas, Duan and Abbeel (2019), Flow++, ICML, section 3.2",),
    ),
    MapSpec(
        name="sinh_arcsinh",
        summary="Skewness and the weight of tails.",
        formula=r"x = \sinh\big(e^{s} (\operatorname{arsinh} u + b)\big)",
        condition="always invertible; the log weight of tails is kept within 2 of 0",
        references=(
            "Jones and Pewsey (2009), Sinh-arcsinh distributions, Biometrika 96, 761-780",
        ),
    ),
    MapSpec(
        name="nonlinear_squared",
        summary="To the base by an affine function with a bump.",
        formula=r"u = a x + b + \frac{c}{1 + (d x + e)^2}",
        forward=Way.SOLVED,
        condition="a > 9 / (8 sqrt 3) |c| d by construction (the modulus of c is needed); to the "
        "data by bisection, the one real root of a cubic",
        references=("Ziegler and Rush (2019), Latent normalizing flows, ICML, section 3.3",),
    ),
)
"""The table."""
