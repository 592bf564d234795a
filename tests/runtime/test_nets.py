"""Networks against answers computed without them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from net_cases import NetCase, as_dict, category, port
from torch import Tensor, nn
from torch.nn import functional

from gendsl.library.architectures import Port
from gendsl.runtime.nets import NetError
from gendsl.runtime.nets.arguments import Entries
from gendsl.runtime.nets.layers import Layers
from gendsl.runtime.nets.links import FLOOR, Link
from gendsl.types import (
    POSITIVE,
    REAL,
    UNIT,
    Index,
    Interval,
    Size,
    Structured,
    ValueType,
)

CLOSE = {"rtol": 1e-12, "atol": 1e-12}


@pytest.fixture(autouse=True)
def _double_precision():
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(default)


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def numpy_of(net: nn.Module) -> dict[str, np.ndarray]:
    return {name: p.detach().numpy() for name, p in net.named_parameters()}


# --- known networks ---------------------------------------------------------------------------


def conv(inputs: int, outputs: int, kernel: int = 3) -> int:
    return inputs * outputs * kernel**2 + outputs


def full(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


KNOWN = [
    (
        NetCase("conv_decoder", (port(4),), {"": port(784)}),
        full(4, 128 * 16) + conv(128, 64) + conv(64, 32) + conv(32, 32) + conv(32, 1),
    ),
    # The encoder of a variational autoencoder of Kingma and Welling (2014), of one hidden layer.
    (
        NetCase("mlp", (port(784),), {"": port(20)}, {"hidden": [400]}),
        full(784, 400) + full(400, 20),
    ),
    (
        NetCase(
            "mlp",
            (port(784),),
            {"loc": port(20), "scale": port(20, support=POSITIVE)},
            {"hidden": 400},
        ),
        full(784, 400) + full(400, 40),
    ),
    (NetCase("mlp", (port(2),), {"": port()}), full(2, 128) + full(128, 128) + full(128, 1)),
    (
        NetCase("mlp", (port(2),), {"": port()}, {"layers": 3}),
        full(2, 128) + 2 * full(128, 128) + full(128, 1),
    ),
    (NetCase("linear", (port(2), category(5)), {"": port(3)}), full(7, 3)),
    (NetCase("linear", (category(65),), {"": port(3)}), 65 * 64 + full(64, 3)),
    (NetCase("linear", (category(5),), {"": port(3)}, {"embedding": 2}), 5 * 2 + full(2, 3)),
    (
        NetCase(
            "mlp", (port(2),), {"": port(3, 3, support=Structured("covariance"))}, {"hidden": 4}
        ),
        full(2, 4) + full(4, 6),
    ),
    (
        NetCase(
            "mlp", (port(2),), {"": port(3, 3, support=Structured("correlation"))}, {"hidden": 4}
        ),
        full(2, 4) + full(4, 3),
    ),
    # Images of 64 by 64 pixels and 3 channels: sizes 32, 16, 8, 4, 2.
    (
        NetCase(
            "conv_encoder",
            (port(64, 64, 3),),
            {"": port(256)},
            {"hidden": [32, 64, 128, 256, 512]},
        ),
        sum(map(conv, (3, 32, 64, 128, 256), (32, 64, 128, 256, 512))) + full(2 * 2 * 512, 256),
    ),
    (
        NetCase("conv_encoder", (port(784),), {"": port(16, 64)}),
        conv(1, 32) + conv(32, 64) + conv(64, 128) + conv(128, 64, 1),
    ),
    (
        NetCase("conv_decoder", (port(20),), {"": port(784)}, {"hidden": [64, 32]}),
        full(20, 64 * 49) + conv(64, 32) + conv(32, 32) + conv(32, 1),
    ),
    (
        NetCase("lstm", (port(7, 3),), {"": port(7, 2)}, {"hidden": 5}),
        4 * (5 * 3 + 5 * 5 + 2 * 5) + full(5, 2),
    ),
    (
        NetCase("gru", (port(7, 3),), {"": port(7, 2)}, {"hidden": 5, "direction": "both"}),
        2 * 3 * (5 * 3 + 5 * 5 + 2 * 5) + full(10, 2),
    ),
    (
        NetCase("transformer", (category(10, 7),), {"": port(7, 10)}, {"width": 8, "layers": 2}),
        full(10, 8)
        + 2 * (3 * full(8, 8) + 64 + 2 * 16 + full(8, 32) + full(32, 8))
        + 16
        + full(8, 10),
    ),
    (
        NetCase(
            "resnet",
            (port(8, 8),),
            {"": port(10)},
            {"hidden": [4, 8], "layers": 1, "normalisation": "none"},
        ),
        conv(1, 4) + 2 * conv(4, 4) + conv(4, 8) + conv(8, 8) + conv(4, 8, 1) + full(8, 10),
    ),
]


@pytest.mark.parametrize(("case", "wanted"), KNOWN, ids=lambda v: str(v))
def test_how_many_parameters_there_are(case: NetCase, wanted: int):
    assert count(case.build()) == wanted


def test_a_perceptron_is_its_formula():
    net = NetCase("mlp", (port(3), port(2)), {"": port(2)}, {"hidden": [5, 4]}).build()
    w = list(numpy_of(net).values())
    x, y = np.random.default_rng(0).normal(size=(2, 6, 3))
    hidden = np.concatenate((x, y[:, :2]), -1)
    for weight, bias in zip(w[0:4:2], w[1:4:2], strict=True):
        hidden = np.maximum(hidden @ weight.T + bias, 0)
    wanted = hidden @ w[4].T + w[5]
    found = net(torch.as_tensor(x), torch.as_tensor(y[:, :2].copy()))
    np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=1e-12)


def test_a_residual_perceptron_is_its_formula():
    case = NetCase(
        "residual_mlp", (port(3),), {"": port(2)}, {"hidden": 4, "layers": 1, "activation": "tanh"}
    )
    net = case.build()
    w = list(numpy_of(net).values())
    x = np.random.default_rng(0).normal(size=(6, 3))
    kept = x @ w[0].T + w[1]
    kept = kept + np.tanh(np.tanh(kept) @ w[2].T + w[3]) @ w[4].T + w[5]
    wanted = np.tanh(kept) @ w[6].T + w[7]
    np.testing.assert_allclose(net(torch.as_tensor(x)).detach().numpy(), wanted, rtol=1e-12)


def elman(w: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    state, found = np.zeros(w["cell.weight_hh_l0"].shape[1]), []
    for step in x:
        state = np.tanh(
            w["cell.weight_ih_l0"] @ step
            + w["cell.bias_ih_l0"]
            + w["cell.weight_hh_l0"] @ state
            + w["cell.bias_hh_l0"]
        )
        found.append(state)
    return np.array(found)


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("pool", ["none", "last", "mean"])
def test_a_recurrent_network_is_its_recursion(direction: str, pool: str):
    outputs = {"": port(2) if pool != "none" else port(4, 2)}
    options = {"hidden": 5, "direction": direction, "pool": pool}
    net = NetCase("rnn", (port(4, 3), port(2)), outputs, options).build()
    w = numpy_of(net)
    rng = np.random.default_rng(0)
    x, context = rng.normal(size=(4, 3)), rng.normal(size=2)
    read = np.concatenate((x, np.tile(context, (4, 1))), -1)
    states = elman(w, read if direction == "forward" else read[::-1])
    if pool != "none":
        states = states[-1] if pool == "last" else states.mean(0)
    elif direction == "backward":
        states = states[::-1]
    wanted = states @ w["heads.last.weight"].T + w["heads.last.bias"]
    found = net(torch.as_tensor(x), torch.as_tensor(context)).detach().numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_both_directions_end_at_both_ends():
    options = {"hidden": 5, "direction": "both", "pool": "last"}
    net = NetCase("rnn", (port(4, 3),), {"": port(2)}, options).build()
    w = numpy_of(net)
    x = np.random.default_rng(0).normal(size=(4, 3))
    reverse = {name.removesuffix("_reverse"): w[name] for name in w if name.endswith("_reverse")}
    ends = np.concatenate((elman(w, x)[-1], elman(reverse, x[::-1])[-1]))
    wanted = w["heads.last.weight"] @ ends + w["heads.last.bias"]
    np.testing.assert_allclose(net(torch.as_tensor(x)).detach().numpy(), wanted, rtol=1e-12)


def test_a_causal_recurrent_network_reads_one_step_late():
    net = NetCase("rnn", (port(4, 3),), {"": port(4, 3, 2)}, {"hidden": 5}, True).build()
    w = numpy_of(net)
    x = np.random.default_rng(0).normal(size=(4, 3))
    states = elman(w, np.concatenate((np.zeros((1, 3)), x[:-1])))
    wanted = (states @ w["heads.last.weight"].T + w["heads.last.bias"]).reshape(4, 3, 2)
    np.testing.assert_allclose(net(torch.as_tensor(x)).detach().numpy(), wanted, rtol=1e-12)


@pytest.mark.parametrize("causal", [False, True])
def test_a_block_of_a_transformer_is_that_of_pytorch(causal: bool):
    case = NetCase(
        "transformer",
        (port(5, 8),),
        {"": port(5, 8, 3)},
        {"width": 8, "heads": 2, "layers": 1, "activation": "relu"},
        causal,
    )
    ours = case.build().blocks[0].eval()
    theirs = nn.TransformerEncoderLayer(8, 2, 32, 0.0, batch_first=True, norm_first=True).eval()
    a = ours.attention
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(
            torch.cat((a.queries.weight, a.keys.weight, a.values.weight))
        )
        theirs.self_attn.in_proj_bias.copy_(
            torch.cat((a.queries.bias, torch.randn(8), a.values.bias))
        )
        pairs = [
            (theirs.self_attn.out_proj, a.joined),
            (theirs.norm1, ours.before),
            (theirs.norm2, ours.perceptron[0]),
            (theirs.linear1, ours.perceptron[1]),
            (theirs.linear2, ours.perceptron[3]),
        ]
        for there, here in pairs:
            there.load_state_dict(here.state_dict())
    x = torch.randn(3, 5, 8)
    mask = nn.Transformer.generate_square_subsequent_mask(5, dtype=x.dtype) if causal else None
    torch.testing.assert_close(ours(x), theirs(x, src_mask=mask), **CLOSE)


def test_positions_are_those_of_vaswani_and_others():
    net = NetCase("transformer", (port(6),), {"": port(6)}, {"width": 8, "heads": 1}).build()
    wanted = np.empty((6, 8))
    for place in range(6):
        for i in range(4):
            angle = place / 10000 ** (2 * i / 8)
            wanted[place, 2 * i], wanted[place, 2 * i + 1] = math.sin(angle), math.cos(angle)
    np.testing.assert_allclose(net._places(torch.zeros(1, 6, 8)).numpy(), wanted, atol=1e-14)


def test_learned_positions_end():
    options = {"positions": "learned", "width": 8}
    net = NetCase("transformer", (port(5),), {"": port(5)}, options).build()
    assert net(torch.zeros(3)).shape == (3,)
    with pytest.raises(NetError, match="those of 5 steps, but 6 are given"):
        net(torch.zeros(6))


@pytest.mark.parametrize("upsampling", ["nearest", "transposed"])
@pytest.mark.parametrize(("height", "width"), [(5, 5), (6, 9), (8, 3), (7, 1)])
def test_decoders_reach_every_size(upsampling: str, height: int, width: int):
    case = NetCase(
        "conv_decoder",
        (port(2),),
        {"": port(height, width)},
        {"hidden": [3, 3], "upsampling": upsampling},
    )
    assert case.build()(torch.randn(4, 2)).shape == (4, height, width)


def test_an_encoder_is_its_convolutions():
    net = NetCase("conv_encoder", (port(6, 5, 2),), {"": port(3, 3, 4)}, {"hidden": [7]}).build()
    w = list(net.parameters())
    x = torch.randn(2, 6, 5, 2)
    hidden = functional.relu(functional.conv2d(x.permute(0, 3, 1, 2), w[0], w[1], 2, 1))
    wanted = functional.conv2d(hidden, w[2], w[3]).permute(0, 2, 3, 1)
    torch.testing.assert_close(net(x), wanted, **CLOSE)


@pytest.mark.parametrize("architecture", ["resnet", "unet"])
def test_the_order_of_the_axes_of_an_image(architecture: str):
    options = {"layers": 1, **({"hidden": [4]} if architecture == "resnet" else {"width": 4})}
    x = torch.randn(3, 4, 6, 2)
    event, first = port(4, 6, 2), port(2, 4, 6)
    flat = port(48)
    last = NetCase(architecture, (event,), {"": event}, options).build().eval()
    moved = NetCase(architecture, (first,), {"": first}, {**options, "layout": "channels_first"})
    vector = NetCase(architecture, (flat,), {"": flat}, {**options, "height": 4, "channels": 2})
    wanted = last(x)
    found = moved.build().eval()(x.permute(0, 3, 1, 2))
    torch.testing.assert_close(found.permute(0, 2, 3, 1), wanted, **CLOSE)
    torch.testing.assert_close(vector.build().eval()(x.flatten(1)).view(x.shape), wanted, **CLOSE)


def test_a_unet_reads_fine_details_past_the_smaller_sizes():
    options = {"width": 4, "multipliers": [1, 1], "layers": 1, "normalisation": "none"}
    net = NetCase("unet", (port(8, 8),), {"": port(8, 8)}, options).build().eval()
    with torch.no_grad():
        for part in (net.smaller, net.middle, net.larger):
            for parameter in part.parameters():
                parameter.zero_()
    x = torch.randn(8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x)[3, 3], x)
    assert gradient[3, 3] != 0


def test_a_unet_reads_every_pixel_and_keeps_their_places():
    case = NetCase(
        "unet",
        (port(8, 8),),
        {"": port(8, 8)},
        {
            "width": 4,
            "multipliers": [1, 1],
            "layers": 1,
            "attention": "none",
            "normalisation": "none",
        },
    )
    net = case.build().eval()
    x = torch.randn(8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x)[0, 0], x)
    assert gradient[0, 0] != 0
    assert gradient[:4, :4].abs().min() > 0


# --- inputs -----------------------------------------------------------------------------------


def test_times_are_presented_as_by_ho_and_others():
    entries = Entries(port(support=UNIT), embedding=None, frequencies=4)
    assert entries.width == 8
    angle = 1000 * 0.3 * 10000.0 ** (-np.arange(4) / 4)
    wanted = np.concatenate((np.sin(angle), np.cos(angle)))
    np.testing.assert_allclose(entries(torch.tensor(0.3)).numpy(), wanted, rtol=1e-12)


def test_only_scalar_units_are_waves():
    for other in (port(2, support=UNIT), port(), port(support=POSITIVE)):
        assert Entries(other, embedding=None, frequencies=4).width == 1


def test_categories_are_one_hot():
    entries = Entries(category(3, 2), embedding=None, frequencies=0)
    found = entries(torch.tensor([2, 0]))
    assert found.tolist() == [[0, 0, 1], [1, 0, 0]]
    masked = Entries(category(3, 2, optional=True), embedding=None, frequencies=0)
    found = masked((torch.tensor([2, 0]), torch.tensor([False, True])))
    assert found.tolist() == [[0, 0, 0, 0], [1, 0, 0, 1]]


def test_axes_are_told_apart_by_name():
    sizes = {"t": 4, "L": 4}
    sequence = Port.of(ValueType(event=(Size.named("t"), Size.of(2))), sizes)
    context = Port.of(ValueType(event=(Size.named("L"),)), sizes)
    result = Port.of(ValueType(event=(Size.named("t"),)), sizes)
    net = NetCase("rnn", (sequence, context), {"": result}, {"hidden": 3}).build()
    assert net.stepwise == (True, False)
    assert net(torch.zeros(6, 2), torch.zeros(4)).shape == (6,)


def test_ports_of_types_know_what_is_known():
    code = ValueType(event=(Size.named("S"),), support=Index(Size.named("code")))
    early = Port.of(code, {"code": 5}, optional=True)
    assert (early.event, early.categories, early.optional) == ((None,), 5, True)
    assert str(early) == "index(code)[S]?"
    assert Port.of(code, {"S": 2, "code": 5}).event == (2,)
    with pytest.raises(ValueError, match="a size for every axis"):
        Port((None,), REAL)


# --- links ------------------------------------------------------------------------------------


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return FLOOR + (1 - 2 * FLOOR) / (1 + np.exp(-x))


def lower(x: np.ndarray) -> np.ndarray:
    found = np.zeros((3, 3))
    found[np.tril_indices(3)] = x
    found[np.diag_indices(3)] = softplus(np.diag(found)) + FLOOR
    return found


def unit_rows(x: np.ndarray) -> np.ndarray:
    found = np.eye(3)
    found[np.tril_indices(3, -1)] = x
    return found / np.linalg.norm(found, axis=-1, keepdims=True)


def simplex(x: np.ndarray) -> np.ndarray:
    return (1 - FLOOR) * np.exp(x) / np.exp(x).sum() + FLOOR / x.size


def between(x: np.ndarray) -> np.ndarray:
    found, left = [], 1.0
    for place, raw in enumerate(x):
        left *= 1 - sigmoid(raw - math.log(x.size - place))
        found.append(2 + 3 * (1 - left))
    return np.array(found)


RAW = np.array([0.3, -1.2, 2.0])
RAW6 = np.array([0.3, -1.2, 2.0, 0.1, 0.7, -0.4])
VECTOR = (3,)
MATRIX = (3, 3)

LINKED = [
    (port(*VECTOR), {}, RAW, RAW),
    (port(*VECTOR), {"output": "tanh"}, RAW, np.tanh(RAW)),
    (port(*VECTOR), {"output": "sigmoid"}, RAW, 1 / (1 + np.exp(-RAW))),
    (port(*VECTOR), {"output": "relu"}, RAW, np.maximum(RAW, 0)),
    (port(*VECTOR), {"output": "softplus"}, RAW, softplus(RAW)),
    (port(*VECTOR, support=POSITIVE), {"output": "tanh"}, RAW, softplus(RAW) + FLOOR),
    (port(*VECTOR, support=POSITIVE), {"positive": "exp"}, RAW, np.exp(RAW) + FLOOR),
    (port(*VECTOR, support=UNIT), {}, RAW, sigmoid(RAW)),
    (port(*VECTOR, support=Interval(lower=-2, upper=3)), {}, RAW, -2 + 5 * sigmoid(RAW)),
    (port(*VECTOR, support=Interval(lower=2)), {}, RAW, 2 + softplus(RAW) + FLOOR),
    (port(*VECTOR, support=Interval(upper=2)), {}, RAW, 2 - softplus(RAW) - FLOOR),
    (port(*VECTOR, support=Structured("simplex")), {}, RAW, simplex(RAW)),
    (port(*VECTOR, support=Structured("zero_sum")), {}, RAW, RAW - RAW.mean()),
    (
        port(*VECTOR, support=Structured("unit_vector")),
        {},
        RAW,
        RAW / math.sqrt(RAW @ RAW + FLOOR**2),
    ),
    (
        port(*VECTOR, support=Structured("ordered")),
        {},
        RAW,
        RAW[0] + np.cumsum([0, *(softplus(RAW[1:]) + FLOOR)]),
    ),
    (
        port(*VECTOR, support=Structured("ordered", lower=1)),
        {},
        RAW,
        1 + np.cumsum(softplus(RAW) + FLOOR),
    ),
    (
        port(*VECTOR, support=Structured("ordered", upper=1)),
        {},
        RAW,
        1 - np.cumsum(softplus(RAW)[::-1] + FLOOR)[::-1],
    ),
    (port(*VECTOR, support=Structured("ordered", 2, 5)), {}, RAW, between(RAW)),
    (port(*MATRIX, support=Structured("cholesky")), {}, RAW6, lower(RAW6)),
    (port(*MATRIX, support=Structured("covariance")), {}, RAW6, lower(RAW6) @ lower(RAW6).T),
    (port(*MATRIX, support=Structured("cholesky_correlation")), {}, RAW, unit_rows(RAW)),
    (port(*MATRIX, support=Structured("correlation")), {}, RAW, unit_rows(RAW) @ unit_rows(RAW).T),
]


@pytest.mark.parametrize(
    ("of", "options", "raw", "wanted"), LINKED, ids=[f"{r[0]} {r[1]}" for r in LINKED]
)
def test_links(of: Port, options: dict, raw: np.ndarray, wanted: np.ndarray):
    link = Link(of, **options)
    assert link.raw == raw.shape
    found = link(torch.as_tensor(raw).expand(2, 4, -1))
    assert found.shape == (2, 4, *wanted.shape)
    np.testing.assert_allclose(found[1, 2].numpy(), wanted, rtol=1e-12, atol=1e-12)


def inside(of: Port, value: Tensor) -> bool:
    match of.support:
        case Interval(lower=low, upper=high):
            return bool(((value >= low) & (value <= high)).all())
        case Structured(kind="simplex"):
            return bool((value > 0).all() and abs(value.sum(-1) - 1) < 1e-6)
        case Structured(kind="ordered", lower=low, upper=high):
            return bool(
                (value.diff(dim=-1) >= 0).all() and (value >= low).all() and (value <= high).all()
            )
    return bool(torch.isfinite(value).all())


@pytest.mark.parametrize(
    ("of", "options", "raw", "wanted"), LINKED, ids=[f"{r[0]} {r[1]}" for r in LINKED]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_links_far_out(of: Port, options: dict, raw: np.ndarray, wanted: np.ndarray, dtype):
    if options == {"positive": "exp"}:
        return  # overflows, as the exponential does
    link = Link(of, **options).to(dtype)
    for scale in (-1e4, -50.0, 0.0, 50.0, 1e4):
        at = (scale * torch.as_tensor(raw).abs()).to(dtype).requires_grad_()
        value = link(at)
        assert value.dtype == dtype
        assert inside(of, value)
        (gradient,) = torch.autograd.grad(value.sum(), at)
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_positive_and_unit_stay_away_from_their_ends(dtype):
    far = torch.tensor([-1e4, 1e4], dtype=dtype)
    assert Link(port(2, support=POSITIVE))(far)[0] >= 0.99 * FLOOR
    unit = Link(port(2, support=UNIT))(far)
    assert 0 < unit[0]
    assert unit[1] < 1


# --- layers -----------------------------------------------------------------------------------


def test_initialisations():
    torch.manual_seed(0)

    def weight(word: str) -> Tensor:
        made = Layers(initialisation=word).linear(784, 400)
        if word != "default":
            assert (made.bias == 0).all()
        return made.weight

    bound = math.sqrt(6 / (784 + 400))
    assert 0.999 * bound < weight("xavier").abs().max() <= bound
    # The relative error of the standard deviation of n draws is sqrt(1 / 2n) = 0.0013.
    assert weight("kaiming").std().item() == pytest.approx(math.sqrt(2 / 784), rel=0.01)
    found = weight("orthogonal")
    torch.testing.assert_close(found @ found.mT, torch.eye(400), rtol=0, atol=1e-10)
    assert weight("default").abs().max() <= 1 / math.sqrt(784)


def test_gates_are_initialised_one_by_one():
    options = {"hidden": 4, "initialisation": "orthogonal"}
    net = NetCase("lstm", (port(5, 3),), {"": port(5)}, options).build()
    for gate in net.cell.weight_hh_l0.split(4):
        torch.testing.assert_close(gate @ gate.mT, torch.eye(4), rtol=0, atol=1e-10)


def test_groups_have_several_members():
    sizes = {}
    for width in (1, 7, 8, 12, 32, 64, 400, 512):
        (norm,) = Layers(normalisation="group").normalise(width)
        sizes[width] = norm.num_groups
    assert sizes == {1: 1, 7: 1, 8: 1, 12: 1, 32: 4, 64: 8, 400: 16, 512: 32}


@pytest.mark.parametrize("architecture", ["mlp", "conv_encoder"])
def test_batch_normalisation_has_two_modes(architecture: str):
    case = NetCase(
        architecture, (port(16),), {"": port(3)}, {"hidden": [6], "normalisation": "batch"}
    )
    net = case.build()
    x = torch.randn(5, 16)
    net.eval()
    torch.testing.assert_close(net(x)[:2], net(x[:2]), **CLOSE)
    kept = {name: b.clone() for name, b in net.named_buffers()}
    net.train()
    assert not torch.allclose(net(x)[:2], net(x[:2]))
    net.eval()
    assert any(not torch.equal(b, kept[name]) for name, b in net.named_buffers())
    torch.testing.assert_close(net(x.view(5, 1, 16))[:, 0], net(x), **CLOSE)


@pytest.mark.parametrize("architecture", ["mlp", "conv_encoder"])
def test_outputs_have_the_precision_of_the_weights_under_autocast(architecture: str):
    outputs = {"scale": port(3, support=POSITIVE), "map": port(4, 2, support=UNIT)}
    net = NetCase(architecture, (port(4, 4),), outputs).build().float()
    x = torch.randn(5, 4, 4, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = net(x)
    for name, value in net(x).items():
        assert found[name].dtype == torch.float32
        assert not torch.equal(found[name], value)
        torch.testing.assert_close(found[name], value, rtol=0.05, atol=0.05)


def test_outputs_have_the_order_of_the_signature():
    case = NetCase(
        "conv_encoder",
        (port(8, 8),),
        {"a": port(2, 2, 3), "b": port(4), "c": port(4, 2)},
        {"hidden": [4, 4]},
    )
    found = as_dict(case.build()(torch.zeros(8, 8)))
    assert list(found) == ["a", "b", "c"]
