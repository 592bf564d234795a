"""Linear layers of flows: scales, triangles, reflections, permutations, normalisations."""

from __future__ import annotations

import torch
from torch import Tensor

from gendsl.library.transforms import FlowDesign
from gendsl.runtime.flows.bijection import Bijection, Context, Pair, Values

__all__ = [
    "Actnorm",
    "Channels",
    "Diagonal",
    "Permute",
    "Reflections",
    "Standardise",
    "Triangles",
    "random_order",
]


def random_order(size: int, seed: int) -> Tensor:
    """A permutation that depends on the seed alone."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(size, generator=generator, device="cpu")


class Diagonal(Bijection):
    """x = exp(s) u + b, entry by entry; without `shift`, b is 0."""

    def __init__(self, entries: int, width: int, hidden: tuple[int, ...], *, shift: bool) -> None:
        super().__init__()
        self.values = Values(torch.zeros(1 + shift, entries), width, hidden)

    def initialise(self, x: Tensor) -> None:
        """Where there is a shift, at the moments of the data: the optimum of a normal base."""
        loc, scale = _moments(x)
        if self.values.start.shape[0] > 1:
            self.values.begin(torch.stack((torch.log(scale), loc)))

    def _parts(self, context: Context) -> tuple[Tensor, Tensor]:
        found = self.values(context)
        return found[:, 0], found[:, 1] if found.shape[1] > 1 else torch.zeros_like(found[:, 0])

    def forward(self, u: Tensor, context: Context) -> Pair:
        """Scaled and shifted."""
        log, shift = self._parts(context)
        return u * torch.exp(log) + shift, log.sum(-1).expand(u.shape[0])

    def inverse(self, x: Tensor, context: Context) -> Pair:
        """Both undone."""
        log, shift = self._parts(context)
        return (x - shift) * torch.exp(-log), -log.sum(-1).expand(x.shape[0])


class Triangles(Bijection):
    """x = L U u + b, L with a unit diagonal, U with a positive one.

    Args:
        entries: of a value.
        width: of the context.
        hidden: widths of the network of the context.
        upper: whether there is a U beside the diagonal; x = L u + b without.
    """

    def __init__(self, entries: int, width: int, hidden: tuple[int, ...], *, upper: bool) -> None:
        super().__init__()
        self.entries, self.upper = entries, upper
        below = entries * (entries - 1) // 2
        self.sizes = (entries, entries, below) + ((below,) if upper else ())
        self.values = Values(torch.zeros(sum(self.sizes)), width, hidden)
        rows, columns = torch.tril_indices(entries, entries, -1)
        where = torch.full((entries, entries), below)
        where[rows, columns] = torch.arange(below)
        self.where: Tensor
        self.register_buffer("where", where.flatten(), persistent=False)

    def initialise(self, x: Tensor) -> None:
        """At the moments of the data where there is no U: the optimum of a normal base."""
        if self.upper:
            return
        loc, scale = _moments(x)
        covariance = (x - loc).mT @ (x - loc) / len(x)
        factor, failed = torch.linalg.cholesky_ex(covariance)
        if failed or not bool((factor.diagonal() > 1e-6 * scale).all()):
            factor = torch.diag(scale)
        rows, columns = torch.tril_indices(self.entries, self.entries, -1)
        below = factor[rows, columns]
        self.values.begin(torch.cat((loc, torch.log(factor.diagonal()), below)))

    def _triangle(self, raw: Tensor, diagonal: Tensor) -> Tensor:
        """A lower triangle, (rows, entries, entries)."""
        padded = torch.cat((raw, torch.zeros_like(raw[:, :1]) if raw.shape[1] else raw), -1)
        if not raw.shape[1]:
            return torch.diag_embed(diagonal)
        shape = (raw.shape[0], self.entries, self.entries)
        return padded.index_select(-1, self.where).reshape(shape) + torch.diag_embed(diagonal)

    def _parts(self, context: Context) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """b, log diagonal, L, and the transpose of U."""
        parts = self.values(context).split(self.sizes, -1)
        scale = torch.exp(parts[1])
        if not self.upper:
            return parts[0], parts[1], self._triangle(parts[2], scale), None
        unit = torch.ones_like(scale)
        return parts[0], parts[1], self._triangle(parts[2], unit), self._triangle(parts[3], scale)

    def forward(self, u: Tensor, context: Context) -> Pair:
        """The product."""
        shift, log, lower, upper = self._parts(context)
        inner = u.unsqueeze(-1)
        if upper is not None:
            inner = upper.mT @ inner
        return (lower @ inner).squeeze(-1) + shift, log.sum(-1).expand(u.shape[0])

    def inverse(self, x: Tensor, context: Context) -> Pair:
        """Two triangular systems."""
        shift, log, lower, upper = self._parts(context)
        whole = (x - shift).unsqueeze(-1)
        if lower.shape[0] == 1:  # one matrix for all rows
            whole = (x - shift).mT.unsqueeze(0)
        unit = upper is not None
        inner = torch.linalg.solve_triangular(lower, whole, upper=False, unitriangular=unit)
        if upper is not None:
            inner = torch.linalg.solve_triangular(upper.mT, inner, upper=True)
        u = inner.squeeze(0).mT if lower.shape[0] == 1 else inner.squeeze(-1)
        return u, -log.sum(-1).expand(x.shape[0])


class Reflections(Bijection):
    """x = H_1 ... H_n u + b, each H a reflection; the log-determinant is 0."""

    def __init__(self, entries: int, count: int, width: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.count = count
        start = torch.cat((torch.randn(count, entries), torch.zeros(1, entries)))
        if count > 1:  # pairs of equal reflections are the identity
            start[1:count:2] = start[0 : count - 1 : 2] + 0.01 * torch.randn(count // 2, entries)
        self.values = Values(start, width, hidden)

    @staticmethod
    def _reflected(x: Tensor, v: Tensor) -> Tensor:
        along = (x * v).sum(-1, keepdim=True) / (v * v).sum(-1, keepdim=True)
        return x - 2.0 * along * v

    def forward(self, u: Tensor, context: Context) -> Pair:
        """The last reflection first."""
        found = self.values(context)
        for k in reversed(range(self.count)):
            u = self._reflected(u, found[:, k])
        return u + found[:, -1], torch.zeros_like(u[:, 0])

    def inverse(self, x: Tensor, context: Context) -> Pair:
        """Each is its own inverse."""
        found = self.values(context)
        x = x - found[:, -1]
        for k in range(self.count):
            x = self._reflected(x, found[:, k])
        return x, torch.zeros_like(x[:, 0])


class Permute(Bijection):
    """The entries in another order, which is saved with the weights."""

    def __init__(self, order: Tensor) -> None:
        super().__init__()
        self.order: Tensor
        self.back: Tensor
        self.register_buffer("order", order)
        self.register_buffer("back", torch.argsort(order))

    def forward(self, u: Tensor, context: Context) -> Pair:
        """Reordered."""
        return u.index_select(-1, self.order), torch.zeros_like(u[:, 0])

    def inverse(self, x: Tensor, context: Context) -> Pair:
        """In the first order again."""
        return x.index_select(-1, self.back), torch.zeros_like(x[:, 0])


class Standardise(Bijection):
    """x = scale u + loc, of the data of the fit; not learned."""

    def __init__(self, entries: int) -> None:
        super().__init__()
        self.loc: Tensor
        self.scale: Tensor
        self.register_buffer("loc", torch.zeros(entries))
        self.register_buffer("scale", torch.ones(entries))

    def initialise(self, x: Tensor) -> None:
        """Moments of the data; an entry that does not vary keeps the scale 1."""
        loc, scale = _moments(x)
        self.loc.copy_(loc)
        self.scale.copy_(scale)

    def forward(self, u: Tensor, context: Context) -> Pair:
        """On the scale of the data."""
        return u * self.scale + self.loc, torch.log(self.scale).sum().expand(u.shape[0])

    def inverse(self, x: Tensor, context: Context) -> Pair:
        """Standardised."""
        return (x - self.loc) / self.scale, -torch.log(self.scale).sum().expand(x.shape[0])


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    loc = x.mean(0)
    sd = (x - loc).square().mean(0).sqrt()
    return loc, torch.where(sd > 1e-12 * (1.0 + loc.abs()), sd, torch.ones_like(sd))


class Actnorm(Bijection):
    """x = exp(s) u + b, learned from the moments of the data on."""

    def __init__(self, entries: int) -> None:
        super().__init__()
        self.moments = Standardise(entries)
        self.rest = Diagonal(entries, 0, (), shift=True)

    def initialise(self, x: Tensor) -> None:
        """Such that the base begins with mean 0 and standard deviation 1."""
        self.moments.initialise(x)

    def forward(self, u: Tensor, context: Context) -> Pair:
        """Scaled and shifted, first in units of the data's standard deviation."""
        u, log = self.rest(u, None)
        x, more = self.moments(u, None)
        return x, log + more

    def inverse(self, x: Tensor, context: Context) -> Pair:
        """Both undone."""
        x, log = self.moments.inverse(x, None)
        u, more = self.rest.inverse(x, None)
        return u, log + more


class Channels(Bijection):
    """One bijection of the channels, the first axis, at every position."""

    def __init__(self, channels: int, positions: int, each: Bijection) -> None:
        super().__init__()
        self.channels, self.positions, self.each = channels, positions, each

    def initialise(self, x: Tensor) -> None:
        """From the channels at all positions."""
        self.each.initialise(self._rows(x))

    def _rows(self, x: Tensor) -> Tensor:
        shape = (x.shape[0], self.channels, self.positions)
        return x.reshape(shape).mT.reshape(-1, self.channels)

    def _back(self, rows: Tensor, count: int) -> Tensor:
        return rows.reshape(count, self.positions, self.channels).mT.reshape(count, -1)

    def forward(self, u: Tensor, context: Context) -> Pair:
        """Mixed."""
        x, log = self.each(self._rows(u), None)
        return self._back(x, u.shape[0]), log.reshape(u.shape[0], -1).sum(-1)

    def inverse(self, x: Tensor, context: Context) -> Pair:
        """Unmixed."""
        u, log = self.each.inverse(self._rows(x), None)
        return self._back(u, x.shape[0]), log.reshape(x.shape[0], -1).sum(-1)


def affine(design: FlowDesign, entries: int, width: int) -> list[Bijection]:
    """Layers of x = A u + b."""
    hidden = design.wholes("hidden")
    if design.word("scale") == "diagonal":
        return [Diagonal(entries, width, hidden, shift=True)]
    return [Triangles(entries, width, hidden, upper=False)]


def linear(design: FlowDesign, entries: int, width: int) -> list[Bijection]:
    """Layers of x = W u + b."""
    hidden = design.wholes("hidden")
    if design.word("form") == "lu":
        return [Triangles(entries, width, hidden, upper=True)]
    count = design.options["reflections"]
    chosen = entries - entries % 2 if count is None else design.whole("reflections")
    return [Reflections(entries, chosen, width, hidden)]


def permute(design: FlowDesign, entries: int, width: int) -> list[Bijection]:
    """Another order."""
    if design.word("order") == "reverse":
        return [Permute(torch.arange(entries).flip(0))]
    return [Permute(random_order(entries, design.whole("seed")))]
