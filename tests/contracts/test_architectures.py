"""Laws of networks, over the table of architectures."""

from __future__ import annotations

import math

import pytest
import torch
from net_cases import CASES, NetCase, as_dict, category, port
from torch import Tensor, nn

from gendsl.library.architectures import ARCHITECTURES, ArchitectureSpec, OptionKind
from gendsl.runtime.nets import NetError, build
from gendsl.runtime.nets.building import BUILDERS
from gendsl.runtime.tapes import runner
from gendsl.runtime.tracing import record
from gendsl.types import REAL, Index

every = pytest.mark.parametrize("case", CASES, ids=str)
EXACT = {"rtol": 1e-10, "atol": 1e-12}


@pytest.fixture(autouse=True)
def _double_precision():
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(default)


def outputs(net: nn.Module, values: list) -> dict[str, Tensor]:
    return as_dict(net(*values))


def check_equal(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, wanted[name], **EXACT)


def test_every_architecture_is_built_and_has_a_case():
    assert set(BUILDERS) == set(ARCHITECTURES) == {case.architecture for case in CASES}


def test_every_causal_architecture_has_a_causal_case():
    assert {n for n, spec in ARCHITECTURES.items() if spec.causal} == {
        case.architecture for case in CASES if case.causal
    }


# --- shapes -----------------------------------------------------------------------------------


@every
def test_shapes_for_any_number_of_batch_axes(case: NetCase):
    net = case.build()
    for batch in ((), (3,), (2, 3), (1, 1, 2)):
        found = outputs(net, case.values(batch))
        assert found.keys() == case.outputs.keys()
        for name, value in found.items():
            assert value.shape == (*batch, *case.outputs[name].event)
            assert value.dtype == torch.float64
            assert torch.isfinite(value).all()


@every
def test_batch_axes_of_inputs_broadcast(case: NetCase):
    net = case.build().eval()
    values = case.values((2, 1), (3,))
    found = outputs(net, values)
    batch = (2, 3) if len(case.inputs) > 1 else (2, 1)

    def full(value: Tensor, event: tuple) -> Tensor:
        return value.expand(*batch, *event)

    spread = [
        tuple(full(part, p.event) for part in v) if isinstance(v, tuple) else full(v, p.event)
        for v, p in zip(values, case.inputs, strict=True)
    ]
    check_equal(found, outputs(net, spread))


@every
def test_members_of_a_batch_do_not_depend_on_each_other(case: NetCase):
    net = case.build().train()
    values = case.values((2, 2))
    found = outputs(net, values)
    one = [tuple(p[1, 0] for p in v) if isinstance(v, tuple) else v[1, 0] for v in values]
    check_equal({name: value[1, 0] for name, value in found.items()}, outputs(net, one))


@every
def test_single_precision(case: NetCase):
    double = case.build().eval()
    values = case.values((2,))
    wanted = outputs(double, values)
    single = double.to(torch.float32)

    def narrow(value: Tensor) -> Tensor:
        return value.to(torch.float32) if value.is_floating_point() else value

    given = [tuple(map(narrow, v)) if isinstance(v, tuple) else narrow(v) for v in values]
    for name, value in outputs(single, given).items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value.double(), wanted[name], rtol=1e-3, atol=1e-4)


@every
def test_everything_moves_to_the_device_of_the_weights(case: NetCase):
    net = case.build().to("meta")  # a device without numbers: tensors elsewhere are refused
    values = [
        tuple(part.to("meta") for part in v) if isinstance(v, tuple) else v.to("meta")
        for v in case.values((2,))
    ]
    for name, value in outputs(net, values).items():
        assert value.device.type == "meta"
        assert value.shape == (2, *case.outputs[name].event)


@pytest.mark.parametrize("name", [n for n, spec in ARCHITECTURES.items() if spec.ragged])
def test_sequences_of_other_lengths(name: str):
    for case in (c for c in CASES if c.architecture == name):
        if case.options.get("positions") == "learned":
            continue
        first = case.inputs[0]
        longer = [
            port(8, *p.event[1:], support=p.support, optional=p.optional)
            if p.shares_first_axis(first)
            else p
            for p in case.inputs
        ]
        values = NetCase(name, tuple(longer), case.outputs).values((2,))
        for key, value in outputs(case.build(), values).items():
            at_each = case.outputs[key].shares_first_axis(first)
            assert value.shape[1:] == (
                (8, *value.shape[2:]) if at_each else case.outputs[key].event
            )


# --- randomness -------------------------------------------------------------------------------


@every
def test_weights_follow_from_the_seed(case: NetCase):
    first, again, other = (case.build(seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


DROPPING = [c for c in CASES if ARCHITECTURES[c.architecture].option("dropout") is not None]


@pytest.mark.parametrize("case", DROPPING, ids=str)
def test_dropout_is_for_training_alone(case: NetCase):
    net = case.build(dropout=0.5)
    values = case.values((3,))
    torch.manual_seed(0)
    first, second = outputs(net.train(), values), outputs(net, values)
    assert any(not torch.equal(first[name], second[name]) for name in first)
    net.eval()
    check_equal(outputs(net, values), outputs(net, values))
    check_equal(outputs(net, values), outputs(case.build().eval(), values))


# --- gradients --------------------------------------------------------------------------------


@every
def test_the_gradient_reaches_every_parameter_and_every_real_input(case: NetCase):
    net = case.build()
    values = [
        v.requires_grad_() if isinstance(v, Tensor) and v.is_floating_point() else v
        for v in case.values((4,))
    ]
    generator = torch.Generator().manual_seed(3)
    total = sum(
        (value * torch.randn(value.shape, generator=generator)).sum()
        for value in outputs(net, values).values()
    )
    total.backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 1e-12, name
    for value in values:
        if isinstance(value, Tensor) and value.is_floating_point():
            assert value.grad.abs().max() > 1e-12


@every
def test_a_network_can_be_recorded(case: NetCase):
    net = case.build().eval()
    values = case.values((2,))
    at = next(n for n, p in enumerate(case.inputs) if p.support == REAL or n == 0)
    if isinstance(values[at], tuple) or not values[at].is_floating_point():
        at = -1  # no real input: as a function of the last bias
    weights = list(net.parameters())
    shape = values[at].shape if at >= 0 else weights[-1].shape

    def value(point: Tensor) -> Tensor:
        if at >= 0:
            given = [point.view(shape) if n == at else v for n, v in enumerate(values)]
            found = outputs(net, given)
        else:
            name = list(dict(net.named_parameters()))[-1]
            found = as_dict(
                torch.func.functional_call(net, {name: point.view(shape)}, tuple(values))
            )
        return sum(
            (v * torch.linspace(0.5, 1.5, v.numel()).view(v.shape)).sum() for v in found.values()
        )

    points = torch.randn(2, math.prod(shape), generator=torch.Generator().manual_seed(5))
    replay = runner(record(value, points[0]))
    for point in points:
        leaf = point.clone().requires_grad_()
        wanted = value(leaf)
        (gradient,) = torch.autograd.grad(wanted, leaf)
        found = replay(point)
        torch.testing.assert_close(found[0], wanted.detach(), **EXACT)
        torch.testing.assert_close(found[1], gradient, **EXACT)


# --- what depends on what ---------------------------------------------------------------------


def dependence(case: NetCase, net: nn.Module) -> Tensor:
    """Whether step i of the output depends on step j of the first input: `(steps, steps)`."""
    values = case.values(())
    before = torch.cat([v.reshape(5, -1) for v in outputs(net, values).values()], -1)
    found = []
    for step in range(case.inputs[0].event[0]):
        changed = values[0].clone()
        if case.inputs[0].categories is not None:
            changed[step] = (changed[step] + 1) % case.inputs[0].categories
        else:
            changed[step] += 1.0
        after = outputs(net, [changed, *values[1:]]).values()
        after = torch.cat([v.reshape(5, -1) for v in after], -1)
        found.append((after - before).abs().amax(-1) > 1e-12)
    return torch.stack(found, 1)


STEPWISE = [
    case
    for case in CASES
    if case.architecture in ("rnn", "gru", "lstm", "transformer")
    and case.options.get("pool", "none") == "none"
]


@pytest.mark.parametrize("case", STEPWISE, ids=str)
def test_which_steps_depend_on_which(case: NetCase):
    found = dependence(case, case.build().eval())
    full = torch.ones_like(found)
    direction = case.options.get("direction", "forward")
    if case.causal:
        wanted = full.tril(-1)
    elif case.architecture == "transformer" or direction == "both":
        wanted = full
    else:
        wanted = full.triu() if direction == "backward" else full.tril()
    assert torch.equal(found, wanted)


def test_the_order_of_a_set_has_no_influence():
    for case in (c for c in CASES if c.architecture == "deep_set"):
        net, values = case.build(), case.values((2,))
        order = torch.randperm(5, generator=torch.Generator().manual_seed(0))

        def moved(value: Tensor, event: tuple, order: Tensor = order) -> Tensor:
            return value[:, order] if event and event[0] == 5 else value

        shuffled = [
            tuple(moved(part, p.event) for part in v)
            if isinstance(v, tuple)
            else moved(v, p.event)
            for v, p in zip(values, case.inputs, strict=True)
        ]
        check_equal(outputs(net, shuffled), outputs(net, values))


def test_a_transformer_without_positions_only_follows_the_order():
    net = NetCase("transformer", (port(5, 2),), {"": port(5, 3)}, {"positions": "none"}).build()
    x = torch.randn(5, 2)
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(net(x[order]), net(x)[order], **EXACT)


OPTIONAL = [c for c in CASES if any(p.optional for p in c.inputs)]


@pytest.mark.parametrize("case", OPTIONAL, ids=str)
def test_what_stands_at_missing_entries_has_no_influence(case: NetCase):
    net = case.build().eval()
    values = case.values((9,))
    other, seen = [], []
    for p, value in zip(case.inputs, values, strict=True):
        if not p.optional:
            other.append(value)
            seen.append(value)
            continue
        entries, known = value
        assert not known.all()
        anything = -1 if p.categories is not None else math.nan
        other.append((torch.where(known, entries, anything), known))
        seen.append((torch.where(known, entries, 0), torch.ones_like(known)))
    found = outputs(net, values)
    check_equal(outputs(net, other), found)
    known_zeros = outputs(net, seen)
    assert any(not torch.allclose(found[n], known_zeros[n]) for n in found)


# --- options ----------------------------------------------------------------------------------


def words() -> list[tuple[NetCase, str, str]]:
    first = {case.architecture: case for case in reversed(CASES) if not case.causal}
    return [
        (case, option.name, word)
        for case in first.values()
        for option in ARCHITECTURES[case.architecture].options
        for word in option.words
        if (option.name, word) not in (("pool", "last"), ("pool", "mean"), ("pool", "none"))
        and option.name != "layout"
    ]


@pytest.mark.parametrize(("case", "option", "word"), words(), ids=str)
def test_every_word_of_every_option(case: NetCase, option: str, word: str):
    net = case.build(**{option: word})
    for value in outputs(net, case.values((4,))).values():
        assert torch.isfinite(value).all()


@pytest.mark.parametrize("spec", ARCHITECTURES.values(), ids=lambda s: s.name)
def test_defaults_are_legal(spec: ArchitectureSpec):
    for option in spec.options:
        assert option.default is None or option.accepts(option.default), option.name
    names = [option.name for option in spec.options]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("spec", ARCHITECTURES.values(), ids=lambda s: s.name)
def test_options_refuse_what_they_do_not_mean(spec: ArchitectureSpec):
    for option in spec.options:
        wrong = {
            OptionKind.WORD: ["nonsense", 1, None],
            OptionKind.WHOLE: [0.5, "relu", True, option.lower - 1, option.upper + 1, (2,)],
            OptionKind.REAL: ["relu", True, option.lower - 1, option.upper + 1, math.nan],
            OptionKind.WHOLES: [(), (0.5,), "relu", (True,), (option.upper + 1,)],
        }[option.kind]
        assert not any(option.accepts(value) for value in wrong), option.name


@pytest.mark.parametrize("case", DROPPING, ids=str)
def test_a_last_layer_of_zeros(case: NetCase):
    net = case.build(initialisation="zero_last").eval()
    found = [outputs(net, case.values((3,), seed=seed)) for seed in (1, 2)]
    check_equal(found[0], found[1])
    assert all((v == 0).all() for n, v in found[0].items() if case.outputs[n].support == REAL)


# --- refusals ---------------------------------------------------------------------------------

REFUSED = [
    (
        "mlp",
        {},
        [port(2)],
        {"": port(support=Index(port(3).axes[0]))},
        False,
        "categories cannot be learned by gradients",
    ),
    (
        "mlp",
        {"hidden": [4, 5], "layers": 2},
        [port(2)],
        {"": port(2)},
        False,
        "`layers = 2` repeats a single width, not a list",
    ),
    ("mlp", {}, [port(2)], {"": port(2)}, True, "depends on all entries of its inputs"),
    ("mlp", {}, [port(0)], {"": port(2)}, False, "`real[0]` has no entries"),
    ("linear", {}, [], {"": port(2)}, False, "at least one input"),
    ("deep_set", {}, [port()], {"": port(2)}, False, "no event axis to be a set"),
    ("rnn", {}, [port(5)], {"": port(3)}, False, "say by `pool` how steps become one value"),
    ("rnn", {"direction": "both"}, [port(5)], {"": port(5)}, True, "reads forward"),
    ("gru", {"pool": "mean"}, [port(5)], {"": port(5)}, True, "leave out `pool`"),
    ("lstm", {}, [port(5, 2)], {"": port(5, 3)}, True, "does not begin with the axes"),
    (
        "transformer",
        {"heads": 3},
        [port(5)],
        {"": port(5)},
        False,
        "`heads = 3` does not divide `width = 128`",
    ),
    ("transformer", {"width": 3, "heads": 1}, [port(5)], {"": port(5)}, False, "even width"),
    (
        "conv_encoder",
        {},
        [port(50)],
        {"": port(3)},
        False,
        "`real[50]` has 50 entries, which are no square image: say `height` and `channels`",
    ),
    (
        "conv_decoder",
        {},
        [port(2)],
        {"": port(15)},  # 3 by 5
        False,
        "`real[15]` has 15 entries, which are no square image: say `height` and `channels`",
    ),
    (
        "conv_encoder",
        {"height": 7, "channels": 2},
        [port(50)],
        {"": port(3)},
        False,
        "no image of 7 rows and 2 channels",
    ),
    (
        "conv_encoder",
        {},
        [port(784)],
        {"": port(25, 4)},
        False,
        "`real[25, 4]` has 25 positions, but an image of 28 by 28 pixels is halved to 14 by 14, "
        "7 by 7, 4 by 4, 2 by 2, 1 by 1",
    ),
    (
        "conv_encoder",
        {"hidden": [4]},
        [port(784)],
        {"": port(16, 4)},
        False,
        "reached by halving 28 by 28 pixels 3 times, but `hidden` lists 1",
    ),
    (
        "conv_encoder",
        {"hidden": [4] * 6},
        [port(784)],
        {"": port(4)},
        False,
        "can be halved 5 times, not 6",
    ),
    ("conv_encoder", {"kernel": 4}, [port(784)], {"": port(4)}, False, "`kernel = 4`"),
    ("conv_encoder", {}, [port()], {"": port(4)}, False, "`real` is no image"),
    (
        "conv_decoder",
        {},
        [port(4)],
        {"": port(28, 28), "b": port(14, 14)},
        False,
        "the output `b` is 14 by 14 pixels, but the image is 28 by 28",
    ),
    (
        "resnet",
        {},
        [port(784)],
        {"a": port(784), "b": port(3)},
        False,
        "some outputs are images and some are vectors",
    ),
    ("resnet", {"hidden": [4, 4, 4, 4]}, [port(4, 4)], {"": port()}, False, "at most 3"),
    ("unet", {}, [port(784)], {"": port(700)}, False, "no image of 28 by 28 pixels"),
    ("unet", {"multipliers": [1, 1, 1]}, [port(2, 2)], {"": port(2, 2)}, False, "at most 2"),
    ("nonsense", {}, [port(2)], {"": port(2)}, False, "there is no architecture `nonsense`"),
    ("mlp", {"widht": 2}, [port(2)], {"": port(2)}, False, "has no option `widht`"),
    (
        "mlp",
        {"hidden": 0},
        [port(2)],
        {"": port(2)},
        False,
        "`hidden` must be a list of whole numbers from 1 to 65536, not 0",
    ),
]


@pytest.mark.parametrize(
    ("name", "options", "inputs", "outs", "causal", "reason"),
    REFUSED,
    ids=[f"{row[0]}: {row[-1]}" for row in REFUSED],
)
def test_refusals(name, options, inputs, outs, causal, reason):
    with pytest.raises(NetError) as caught:
        build(name, options, inputs, outs, causal=causal)
    assert reason in str(caught.value)


def test_wrong_values_are_refused():
    net = NetCase("mlp", (port(4), category(3, optional=True)), {"": port(2)}).build()
    x, known = torch.zeros(2, 4), torch.ones(2).bool()
    label = torch.zeros(2, dtype=torch.long)
    for given, reason in (
        ((x,), "2 inputs, not 1"),
        ((x[:, :3], (label, known)), "event shape"),
        ((x[0, 0], (label, known)), "event shape"),
        ((x, label), "given as a pair"),
        ((x, (label, known[:1])), "what is known of them"),
        ((x, (label[:, None].expand(2, 3), known[:, None].expand(2, 3))), "do not agree"),
    ):
        with pytest.raises(NetError, match=reason):
            net(*given)
