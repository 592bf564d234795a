"""Recorded steps are shortened, and give the same numbers bit for bit."""

from __future__ import annotations

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from gendsl.runtime.variational.simplified import simplify

aten = torch.ops.aten
WEIGHT = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))


def graph_of(step, *args):
    graph = make_fx(step)(*args)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph


def targets(graph):
    return [n.target for n in graph.graph.nodes if n.op == "call_function"]


def prior(x):
    loc, scale = torch.zeros(3), torch.ones(3)
    return (((x - loc.expand(4, 3)) / scale) ** 2 * 1.0).sum()


def gradient(x):
    with torch.enable_grad():
        weight = WEIGHT.clone().requires_grad_()
        loss = -(-torch.nn.functional.linear(x, weight.t().contiguous().t())).tanh().sum(-1)
        return torch.autograd.grad(loss.mean(), weight)[0]


def twice(x):
    return x.exp().mean(0) + x.exp().mean(0).detach()


def noisy(x):
    return torch.randn(4, 3) + torch.randn(4, 3) * x


def in_place(x):
    first, second = torch.zeros(4, 3), torch.zeros(4, 3)
    first.view(12).add_(x.reshape(12))
    return first + second


def reshaped(x):
    return x.unsqueeze(-1).reshape(4, 3).sum(-1)


def signs(x):
    return (-x).sum(-1) + (-x[:1].expand(4, 3)).mean(-1)


def other_type(x):
    return (x > 0).mul(1.0) + x.pow(1)


def empty_permutation(x):
    return x.unsqueeze(0).permute(1, 0, 2).reshape(4, 3).permute(1, 0).sum(0)


def clamped(x):
    with torch.enable_grad():
        y = x.clone().requires_grad_()
        loss = (torch.clamp(y, -0.5, 0.5) * torch.zeros(3).add(1.0)).sum()
        return torch.autograd.grad(loss, y)[0]


def overwritten(x):
    inside = x > -1.0
    found = inside.to(x.dtype)
    return inside.logical_and_(x < 1.0).to(x.dtype) + found


CASES = [
    clamped,
    overwritten,
    prior,
    gradient,
    twice,
    noisy,
    in_place,
    reshaped,
    signs,
    other_type,
    empty_permutation,
]


@pytest.mark.parametrize("step", CASES, ids=lambda f: f.__name__)
def test_the_same_bit_for_bit(step):
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(2))
    graph = graph_of(step, x)
    torch.manual_seed(3)
    expected = graph(x)
    simplify(graph)
    torch.manual_seed(3)
    found = graph(x)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)


def test_a_standard_normal_prior_needs_neither_location_nor_scale():
    graph = graph_of(prior, torch.randn(4, 3))
    simplify(graph)
    assert targets(graph) == [aten.pow.Tensor_Scalar, aten.sum.default]


def test_equal_operations_are_done_once_but_draws_are_not():
    graph = graph_of(twice, torch.randn(4, 3))
    simplify(graph)
    assert targets(graph).count(aten.exp.default) == 1
    graph = graph_of(noisy, torch.randn(4, 3))
    before = targets(graph).count(aten.randn.default)
    simplify(graph)
    assert targets(graph).count(aten.randn.default) == before == 2


def test_what_is_written_in_place_is_not_shared():
    graph = graph_of(in_place, torch.randn(4, 3))
    simplify(graph)
    assert torch.equal(graph(torch.ones(4, 3)), torch.ones(4, 3))
    assert torch.equal(graph(torch.ones(4, 3)), torch.ones(4, 3))


def test_the_gradient_of_clamp_writes_nothing_in_place():
    graph = graph_of(clamped, torch.randn(4, 3))
    assert aten.logical_and_.default in targets(graph)
    simplify(graph)
    assert aten.logical_and_.default not in targets(graph)
    assert aten.add.Tensor not in targets(graph)  # of literal numbers: computed once


def test_what_is_used_before_it_is_overwritten_stays():
    graph = graph_of(overwritten, torch.randn(4, 3))
    simplify(graph)
    assert aten.logical_and_.default in targets(graph)


def test_signs_are_taken_of_the_fewer_numbers():
    graph = graph_of(signs, torch.randn(4, 3))
    simplify(graph)
    nodes = [n for n in graph.graph.nodes if n.target is aten.neg.default]
    assert all(n.meta["tensor_meta"].shape.numel() <= 4 for n in nodes)


def test_what_is_written_in_place_is_not_taken_for_what_it_was_made_of():
    def step(x):
        kept = x * 1.0
        kept.add_(1.0)
        turned = -x.view(-1)
        x.mul_(2.0)
        return kept.sum(), turned.view(2, 3) * 1.0, x * 2.0

    given = torch.arange(6.0).reshape(2, 3)
    graph = graph_of(step, given.clone())
    simplify(graph)
    mine, theirs = given.clone(), given.clone()
    for found, expected in zip(graph(mine), step(theirs), strict=True):
        assert torch.equal(found, expected)
    assert torch.equal(mine, theirs)


def test_draws_of_one_law_stay_two():
    def step(concentration):
        draws = [torch._standard_gamma(concentration) for _ in range(2)]
        return [*draws, torch._standard_gamma(torch.full((4,), 2.0))]

    graph = graph_of(step, torch.ones(4))
    simplify(graph)
    assert targets(graph).count(aten._standard_gamma.default) == 3


def test_changes_of_shape_are_one_and_are_shared():
    def step(x):
        one = x.unsqueeze(2).permute(2, 0, 1).permute(1, 0, 2).reshape(2, 6)
        other = x.unsqueeze(0).transpose(0, 1).permute(0, 2, 1).squeeze(2).reshape(2, 6)
        return one.exp() + other.exp()

    x = torch.randn(4, 3)
    graph = graph_of(step, x)
    expected = graph(x)
    simplify(graph)
    assert torch.equal(graph(x), expected)
    assert targets(graph).count(aten.exp.default) <= 2
    assert aten.unsqueeze.default not in targets(graph)


def test_second_derivatives_of_silu_write_nowhere():
    def step(x):
        with torch.enable_grad():
            held = x.detach().requires_grad_()
            (first,) = torch.autograd.grad(
                torch.nn.functional.silu(held).sum(), held, create_graph=True
            )
            return torch.autograd.grad(first.sum(), held)[0]

    x = torch.randn(4, 3)
    graph = graph_of(step, x)
    expected = graph(x)
    assert aten.sub_.Tensor in targets(graph)
    simplify(graph)
    assert aten.sub_.Tensor not in targets(graph)
    assert torch.equal(graph(x), expected)
