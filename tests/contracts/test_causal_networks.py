"""Laws of causal networks, over the table: what depends on what, and draws step by step."""

from __future__ import annotations

import math

import pytest
import torch
from net_cases import CASES, PROBABILITIES, NetCase, as_dict, category, port
from torch import Tensor, nn

from gendsl.runtime.nets import NetError
from gendsl.runtime.nets.causality import leak_of
from gendsl.runtime.nets.stepping import Causal, order_of, stepping

CAUSAL = [case for case in CASES if case.causal]
STEPS_ONLY = ("rnn", "gru", "lstm", "transformer", "causal_conv")
"""Networks that read whole steps: within a step nothing depends on anything."""


@pytest.fixture(autouse=True)
def _double_precision():
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(default)


def by_entry(case: NetCase, net: nn.Module, values: list) -> Tensor:
    """All outputs of one row, (entries, numbers)."""
    count = math.prod(case.inputs[0].event)
    return torch.cat([v.reshape(count, -1) for v in as_dict(net(*values)).values()], -1)


def changed(case: NetCase, value: Tensor, entry: int) -> Tensor:
    other = value.reshape(-1).clone()
    categories = case.inputs[0].categories
    other[entry] = (other[entry] + 1) % categories if categories else other[entry] + 1.0
    return other.reshape(value.shape)


def jacobian(case: NetCase, net: nn.Module) -> Tensor:
    """Whether the outputs of entry i depend on entry j of the first input: (entries, entries)."""
    values = case.values(())
    before = by_entry(case, net, values)
    found = []
    for entry in range(math.prod(case.inputs[0].event)):
        after = by_entry(case, net, [changed(case, values[0], entry), *values[1:]])
        found.append((after != before).any(-1))  # to the last bit
    return torch.stack(found, 1)


def seen(case: NetCase) -> Tensor:
    """The same for some network of several, whose rectified units are not all at rest."""
    return torch.stack([jacobian(case, trained(case, seed)) for seed in range(4)]).any(0)


def trained(case: NetCase, seed: int = 0) -> nn.Module:
    """A network of which no weight is 0."""
    net = case.build().eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return net


@pytest.mark.parametrize("case", CAUSAL, ids=str)
def test_entries_depend_on_earlier_entries_alone_and_on_all_of_them(case: NetCase):
    found = seen(case)
    order = order_of([case.build()])
    if order is not None:
        found = found[order][:, order]
    wanted = torch.ones_like(found).tril(-1)
    if case.architecture in STEPS_ONLY:  # steps are read whole
        each = math.prod(case.inputs[0].event[1:])
        step = torch.arange(len(found)) // each
        wanted = step.unsqueeze(1) > step
    assert torch.equal(found & ~wanted, torch.zeros_like(found)), "a leak"
    assert torch.equal(found, wanted), "an entry that is not seen"


@pytest.mark.parametrize("case", CAUSAL, ids=str)
def test_contexts_are_seen_at_all_entries(case: NetCase):
    net, values = trained(case), case.values(())
    before = by_entry(case, net, values)
    for number, context in enumerate(case.inputs[1:], start=1):
        if context.event[:1] == case.inputs[0].event[:1] and context.event:
            continue  # read step by step
        value = values[number]
        other = (value + 1) % context.categories if context.categories else value + 1.0
        after = by_entry(case, net, [*values[:number], other, *values[number + 1 :]])
        assert (after != before).any(-1).all()


@pytest.mark.parametrize("case", CAUSAL, ids=str)
def test_steps_give_what_a_whole_run_gives(case: NetCase):
    net, values = trained(case), case.values((3,))
    assert isinstance(net, Causal)
    wanted = as_dict(net(*values))
    count = math.prod(case.inputs[0].event)
    order = order_of([net])
    places = torch.arange(count) if order is None else order
    known = torch.zeros_like(values[0]).reshape(3, count)
    with stepping([net]) as steps:
        for number, place in enumerate(places.tolist()):
            steps.begin(number)
            found = as_dict(net(known.reshape(values[0].shape), *values[1:]))
            for name, value in found.items():
                torch.testing.assert_close(
                    value.reshape(3, count, -1)[:, place],
                    wanted[name].reshape(3, count, -1)[:, place],
                    rtol=1e-9,
                    atol=1e-11,
                )
            known[:, place] = values[0].reshape(3, count)[:, place]


@pytest.mark.parametrize("case", CAUSAL, ids=str)
def test_the_probe_accepts_them(case: NetCase):
    assert leak_of(case.build(), case.inputs) is None
    assert leak_of(case.build(initialisation="zero_last"), case.inputs) is None


class Leaky(nn.Module):
    """A masked linear map with one connection too many, which begins with weights 0."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(6, 6))
        mask = torch.ones(6, 6).tril(-1)
        mask[out, into] = 1.0
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        return x @ (self.weight * self.mask).T


@pytest.mark.parametrize(("into", "out"), [(3, 3), (5, 0), (4, 2)])
def test_the_probe_names_a_single_leak(into: int, out: int):
    assert leak_of(Leaky(into, out), (port(6),)) == (out, into)


def test_a_window_that_reaches_the_target_is_caught():
    """Equation 22.4 of Murphy (2023) as printed: the window of a step includes the step."""

    class Window(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(1, 1, 3)

        def forward(self, x: Tensor) -> Tensor:
            padded = nn.functional.pad(x.unsqueeze(-2), (2, 0))
            return self.conv(padded).squeeze(-2)

    assert leak_of(Window(), (port(6),)) == (0, 0)


def test_the_receptive_field_of_dilated_convolutions():
    """Kernel 2 and dilations 1, 2, 4, 8: 16 steps."""
    case = NetCase(
        "causal_conv", (port(40),), {"": port(40)}, {"width": 4, "layers": 4, "kernel": 2}, True
    )
    found = seen(case)
    step = torch.arange(40)
    back = step.unsqueeze(1) - step
    assert torch.equal(found, (back >= 1) & (back <= 16))


def test_a_large_image_has_no_blind_spot():
    case = NetCase(
        "pixelcnn", (port(7, 7),), {"": port(7, 7)}, {"width": 6, "layers": 6, "kernel": 3}, True
    )
    found = seen(case)
    assert torch.equal(found, torch.ones_like(found).tril(-1))


def test_masks_take_part_one_by_one_and_are_averaged():
    case = NetCase(
        "made", (port(5),), {"": port(5)}, {"hidden": [16], "masks": 3, "activation": "tanh"}, True
    )
    net, (x,) = trained(case), case.values((4,))
    whole = net(x)
    net.train()
    draws = torch.stack([net(x) for _ in range(60)])
    kinds = torch.unique(draws.reshape(60, -1), dim=0)
    assert len(kinds) == 3
    torch.testing.assert_close(kinds.mean(0).reshape(whole.shape), whole)


def test_orders_that_are_no_orders_are_refused():
    for given in ([0, 1, 1], [0, 1], [0, 1, 3]):
        case = NetCase("made", (port(3),), {"": port(3)}, {"order": "given", "given": given}, True)
        with pytest.raises(NetError, match="lists each of the numbers 0 to 2 once"):
            case.build()
    with pytest.raises(NetError, match="go together"):
        NetCase("made", (port(3),), {"": port(3)}, {"order": "given"}, True).build()
    with pytest.raises(NetError, match="declare the signature `-> causal`"):
        NetCase("made", (port(3),), {"": port(3)}).build()
    tied = NetCase("fvsbn", (category(2, 3),), {"": port(3, support=PROBABILITIES)}, {}, True)
    with pytest.raises(NetError, match="ties its entries together"):
        tied.build()
