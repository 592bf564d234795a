"""Noise-contrastive estimation: a density is learned by telling data from noise.

Its constant is one more parameter: the log odds that a point is data are
``log p(x) - log Z - log noise(x) - log(noise draws for each row)``.

References:
    Noise-contrastive estimation of unnormalized statistical models (Gutmann and Hyvarinen,
    JMLR 2012), equations 3 to 6.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.nn.functional import softplus

__all__ = ["contrast", "independent_noise", "normal_noise"]

EVENNESS = 0.02
"""Probabilities of noise bits keep this distance from 0 and 1, so that noise covers the data."""


def contrast(
    data_weight: Tensor,
    noise_weight: Tensor,
    data_noise: Tensor,
    noise_noise: Tensor,
    log_z: Tensor,
) -> Tensor:
    """The objective, to be minimised: a mean over rows of the data.

    Args:
        data_weight: unnormalised log densities of the model at the data, (rows,).
        noise_weight: the same at the noise, (rows * ratio,).
        data_noise: log densities of the noise at the data, (rows,).
        noise_noise: log densities of the noise at itself.
        log_z: the model's log constant, which is learned.
    """
    ratio = noise_weight.numel() / data_weight.numel()
    for_data = data_weight - log_z - data_noise - math.log(ratio)
    for_noise = noise_weight - log_z - noise_noise - math.log(ratio)
    return softplus(-for_data).mean() + ratio * softplus(for_noise).mean()


def normal_noise(x: Tensor, event: int) -> Distribution:
    """A normal law with the mean and the covariance of the rows of `x`, over its event axes."""
    shape = x.shape[x.ndim - event :]
    flat = x.reshape(-1, shape.numel()).to(torch.float64)
    centred = flat - flat.mean(0)
    covariance = centred.T @ centred / len(flat)
    jitter = 1e-6 * covariance.diagonal().mean().clamp(min=1e-12)
    covariance = covariance + jitter * torch.eye(len(covariance), dtype=covariance.dtype)
    scale = torch.linalg.cholesky(covariance).to(x.dtype)
    return torch.distributions.MultivariateNormal(flat.mean(0).to(x.dtype), scale_tril=scale)


def independent_noise(x: Tensor, event: int) -> Distribution:
    """Independent bits with the frequencies of the rows of `x`, over its event axes."""
    shape = x.shape[x.ndim - event :]
    rate = x.reshape(-1, shape.numel()).mean(0).clamp(EVENNESS, 1 - EVENNESS)
    return torch.distributions.Independent(torch.distributions.Bernoulli(rate), 1)
