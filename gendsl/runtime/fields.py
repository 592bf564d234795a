"""Gaussian fields over the nodes of a graph: conditional autoregressions."""

from __future__ import annotations

import math

import numpy as np
import torch
from pyro.distributions import constraints
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu
from torch import Tensor
from torch.types import _size

from gendsl.runtime.manifolds import zero_sum
from gendsl.runtime.parametric import NO_AXES, Given, Parametric
from gendsl.runtime.shapes import broadcast_shapes

__all__ = ["CAR", "ICAR"]

LOG_2PI = math.log(2 * math.pi)


def _verify_weights(adjacency: Tensor) -> None:
    """Verify what is known of the weights of a graph before anything is inferred.

    Raises:
        ValueError: they are negative, or not symmetric, or join a node with itself.
    """
    if adjacency.requires_grad:
        return
    diagonal = adjacency.diagonal(dim1=-2, dim2=-1)
    if bool((adjacency < 0).any() | (adjacency != adjacency.mT).any() | (diagonal != 0).any()):
        raise ValueError("the weights of a graph are symmetric, not negative, 0 on the diagonal")


def _laplacian(adjacency: Tensor) -> Tensor:
    """Weights of the neighbours on the diagonal, minus the weights off it."""
    return torch.diag_embed(adjacency.sum(-1)) - adjacency


class ICAR(Parametric):
    r"""The intrinsic conditional autoregression over a connected graph, on fields that sum to 0.

    Each node is normal around the mean of its neighbours, with standard deviation `scale`
    divided by the root of their number (Besag, 1974). On all fields this has no finite
    integral; on those that sum to zero it is a proper normal distribution, and its density with
    respect to lengths on that plane is normalised, by the number of spanning trees of the graph
    (the matrix tree theorem).

    Args:
        size: the number of nodes.
        scale: standard deviation of a node given one neighbour.
        node1: the one end of each edge, (..., E).
        node2: the other end.
        adjacency: instead of edges, the weight of each pair of nodes, (..., N, N).
    """

    arg_constraints = {"scale": constraints.positive}
    ranks = {"scale": 0}
    support = zero_sum
    scale: Tensor

    def __init__(
        self,
        size: int,
        scale: Given,
        *,
        node1: Tensor | None = None,
        node2: Tensor | None = None,
        adjacency: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self._edges: tuple[Tensor, ...] = ()
        if node1 is not None and node2 is not None:
            self._edges = tuple(torch.broadcast_tensors(node1, node2))
            self._trees = _log_trees(self._edges[0], self._edges[1], size)
        else:
            assert adjacency is not None
            self._weights = adjacency
            self._trees = _log_weighted_trees(adjacency)
        over = self._trees.shape
        self._hold({"scale": scale}, (size,), over=over, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """Zero everywhere."""
        return torch.zeros(self.batch_shape + self.event_shape, dtype=self.scale.dtype)

    def _energy(self, value: Tensor) -> Tensor:
        """The sum of the squared differences between neighbours."""
        if not self._edges:
            return (value * _applied(_laplacian(self._weights), value)).sum(-1)
        shape = broadcast_shapes(value.shape[:-1], self._edges[0].shape[:-1])
        value = value.expand(shape + value.shape[-1:])
        ends = (n.expand(shape + n.shape[-1:]) for n in self._edges)
        one, other = (torch.gather(value, -1, end) for end in ends)
        return ((one - other) ** 2).sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log density on the fields that sum to zero."""
        if self._validate_args:
            self._validate_sample(value)
        free, size = self.event_shape[0] - 1, self.event_shape[0]
        constant = (self._trees + math.log(size) - free * LOG_2PI) / 2
        return constant - free * torch.log(self.scale) - self._energy(value) / self.scale**2 / 2

    def sample(self, sample_shape: _size = NO_AXES) -> Tensor:
        """Independent values along the axes of the precision, but for the constant one."""
        size = self.event_shape[0]
        with torch.no_grad():
            values, axes = torch.linalg.eigh(self._precision())
            spread = torch.cat([torch.zeros_like(values[..., :1]), values[..., 1:] ** -0.5], -1)
            noise = torch.randn(self._extended_shape(sample_shape), dtype=self.scale.dtype)
            drawn = self.scale.unsqueeze(-1) * _applied(axes, spread * noise)
            return drawn - drawn.sum(-1, keepdim=True) / size

    def _precision(self) -> Tensor:
        """The Laplacian of the graph."""
        if not self._edges:
            return _laplacian(self._weights)
        size = self.event_shape[0]
        ends = [torch.nn.functional.one_hot(n, size) for n in self._edges]
        steps = (ends[0] - ends[1]).to(self.scale.dtype)
        return steps.mT @ steps


def _applied(matrix: Tensor, vector: Tensor) -> Tensor:
    """A matrix times vectors; one matrix is not repeated for each of them."""
    if matrix.dim() == 2:
        return vector @ matrix.mT
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)


def _log_trees(node1: Tensor, node2: Tensor, size: int) -> Tensor:
    """The logarithm of the number of spanning trees of each graph of a batch.

    Raises:
        ValueError: an edge joins a node with itself or stands twice, or the graph falls apart.
    """
    ends = torch.stack([node1, node2], -1).reshape(-1, node1.shape[-1], 2).cpu().numpy()
    logs = [_log_determinant(_checked_edges(pairs), len(pairs), size) for pairs in ends]
    return torch.tensor(logs).reshape(node1.shape[:-1])


def _checked_edges(pairs: np.ndarray) -> np.ndarray:
    if (pairs[:, 0] == pairs[:, 1]).any():
        raise ValueError("an edge of the graph joins a node with itself")
    if len(np.unique(np.sort(pairs, 1), axis=0)) < len(pairs):
        raise ValueError("an edge of the graph stands there twice")
    return pairs


def _log_determinant(pairs: np.ndarray, edges: int, size: int) -> float:
    """Log det of the Laplacian without its first row and column."""
    numbers = np.arange(edges)
    shape = (edges, size)
    one, other = (sparse.csr_array((np.ones(edges), (numbers, n)), shape) for n in pairs.T)
    steps = one - other
    _verify_connected(one.T @ other)
    if size < 2:
        return 0.0
    inner = sparse.csc_matrix((steps.T @ steps)[1:, 1:])
    return float(np.log(np.abs(splu(inner).U.diagonal())).sum())


def _verify_connected(weights: sparse.csr_array | np.ndarray) -> None:
    parts, _ = connected_components(sparse.csr_matrix(weights), directed=False)
    if parts > 1:
        raise ValueError(
            f"the graph falls into {parts} parts that no edge connects: give each a field of its "
            "own"
        )


def _log_weighted_trees(adjacency: Tensor) -> Tensor:
    """Log det of the Laplacians without their first row and column.

    Raises:
        ValueError: known weights are illegal, or a graph of them falls apart.
    """
    _verify_weights(adjacency)
    if not adjacency.requires_grad:
        size = adjacency.shape[-1]
        for weights in adjacency.reshape(-1, size, size).cpu().numpy():
            _verify_connected(weights)
    factor = torch.linalg.cholesky(_laplacian(adjacency)[..., 1:, 1:])
    return 2 * torch.log(factor.diagonal(dim1=-2, dim2=-1)).sum(-1)


class CAR(Parametric):
    r"""A proper conditional autoregression: precision $(D - \alpha W) / s^2$.

    W holds the weights of neighbours and D their sums on its diagonal. Each node is normal
    around `loc` plus `alpha` times the mean departure of its neighbours. The determinant comes
    from eigenvalues that depend on the graph alone (Jin, Carlin and Banerjee, 2005).

    Args:
        loc: the mean, (..., N).
        adjacency: the weight of each pair of nodes, 0 where they are no neighbours.
        alpha: the dependence, from 0 to below 1.
        scale: standard deviation of a node given one neighbour.
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "alpha": constraints.unit_interval,
        "scale": constraints.positive,
    }
    ranks = {"loc": 1, "alpha": 0, "scale": 0}
    support = constraints.real_vector
    has_rsample = True
    loc: Tensor
    alpha: Tensor
    scale: Tensor

    def __init__(
        self,
        loc: Tensor,
        adjacency: Tensor,
        alpha: Given,
        scale: Given,
        *,
        validate_args: bool | None = None,
    ) -> None:
        _verify_weights(adjacency)
        self._adjacency, self._weights = adjacency, adjacency.sum(-1)
        if not adjacency.requires_grad and bool((self._weights == 0).any()):
            raise ValueError("a node of the graph has no neighbours: give it an effect of its own")
        roots = torch.sqrt(self._weights)
        balanced = adjacency / roots.unsqueeze(-1) / roots.unsqueeze(-2)
        self._eigenvalues = torch.linalg.eigvalsh(balanced)
        held = {"loc": loc, "alpha": alpha, "scale": scale}
        over = self._weights.shape[:-1]
        self._hold(held, loc.shape[-1:], over=over, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.loc

    def log_prob(self, value: Tensor) -> Tensor:
        """The log density of the whole field."""
        if self._validate_args:
            self._validate_sample(value)
        size, away = self.event_shape[0], value - self.loc
        logs = torch.log(self._weights) + torch.log1p(
            -self.alpha.unsqueeze(-1) * self._eigenvalues
        )
        near = self.alpha.unsqueeze(-1) * _applied(self._adjacency, away)
        energy = (away * (self._weights * away - near)).sum(-1) / self.scale**2
        constant = logs.sum(-1) / 2 - size * (torch.log(self.scale) + LOG_2PI / 2)
        return constant - energy / 2

    def rsample(self, sample_shape: _size = NO_AXES) -> Tensor:
        """Normal values, divided by the Cholesky factor of the precision."""
        shape = self._extended_shape(sample_shape)
        noise = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        precision = torch.diag_embed(self._weights) - self.alpha[..., None, None] * self._adjacency
        factor = torch.linalg.cholesky(precision).mT
        factor = factor.expand(shape + shape[-1:])
        drawn: Tensor = torch.linalg.solve_triangular(factor, noise.unsqueeze(-1), upper=True)
        return self.loc + self.scale.unsqueeze(-1) * drawn.squeeze(-1)
