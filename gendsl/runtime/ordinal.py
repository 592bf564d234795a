"""Log probabilities of ordered categories: where a latent number falls between cutpoints."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from gendsl.runtime.incomplete import log_complement
from gendsl.runtime.parametric import Given

__all__ = ["ordered_logistic", "ordered_probit"]


def _edges(predictor: Given, cutpoints: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cutpoints as seen from the predictor, and the lower and upper ones of inner categories."""
    at = cutpoints - torch.as_tensor(predictor).unsqueeze(-1)
    return at, at[..., :-1], at[..., 1:]


def ordered_logistic(predictor: Given, cutpoints: Tensor) -> Tensor:
    r"""Log probabilities of the K categories between K - 1 cutpoints, by a logistic error.

    $\sigma(b) - \sigma(a) = \sigma(b) \sigma(-a) (1 - e^{a - b})$: no difference of nearly equal
    numbers, in either tail.

    Args:
        predictor: (...), centre of the latent number.
        cutpoints: (..., K - 1), increasing.
    """
    at, a, b = _edges(predictor, cutpoints)
    if not at.shape[-1]:
        return torch.zeros((*at.shape[:-1], 1))
    inner = logsigmoid(b) + logsigmoid(-a) + log_complement(a - b)
    return torch.cat([logsigmoid(at[..., :1]), inner, logsigmoid(-at[..., -1:])], -1)


def ordered_probit(predictor: Given, cutpoints: Tensor) -> Tensor:
    r"""Log probabilities of the K categories between K - 1 cutpoints, by a normal error.

    $\Phi(b) - \Phi(a)$ is taken from the nearer tail.

    Args:
        predictor: (...), centre of the latent number.
        cutpoints: (..., K - 1), increasing.
    """
    log_ndtr = torch.special.log_ndtr
    at, a, b = _edges(predictor, cutpoints)
    if not at.shape[-1]:
        return torch.zeros((*at.shape[:-1], 1))
    right = a > 0
    larger = log_ndtr(torch.where(right, -a, b))
    smaller = log_ndtr(torch.where(right, -b, a))
    inner = larger + log_complement(smaller - larger)
    return torch.cat([log_ndtr(at[..., :1]), inner, log_ndtr(-at[..., -1:])], -1)
