"""Laws of flows, over the tables of transforms and scalar maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from flow_cases import FLOW_CASES, FlowCase
from pyro import distributions as dist
from torch.fx.experimental.proxy_tensor import make_fx

from gendsl.library.architectures import Port
from gendsl.library.transforms import SCALAR_MAPS, TRANSFORMS, Way
from gendsl.runtime.flows import FLOW_BUILDERS, build_flow, observed
from gendsl.runtime.flows.bijection import Turned
from gendsl.runtime.flows.maps import MAP_BUILDERS, NonlinearSquared
from gendsl.runtime.nets import NetError
from gendsl.types import REAL

every = pytest.mark.parametrize("case", FLOW_CASES, ids=str)


@pytest.fixture(autouse=True)
def _double_precision():
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(default)


def tolerance(case: FlowCase) -> float:
    return 1e-5 if case.transform == "continuous" else 1e-8  # the error of the solver


def points(case: FlowCase, *batch: int, seed: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 1.5 * torch.randn((*batch, *case.event), generator=generator)


def base_of(case: FlowCase):
    normal = dist.Normal(torch.zeros(case.event), 1.0, validate_args=False)
    return normal.to_event(len(case.event)) if case.event else normal


RECORDED = [
    c
    for c in FLOW_CASES
    if not c.context and c.map in ("", "spline", "mixture_cdf") and c.transform != "continuous"
]


def test_every_record_is_built_and_has_a_case():
    assert set(FLOW_BUILDERS) == set(TRANSFORMS) == {case.transform for case in FLOW_CASES}
    assert set(MAP_BUILDERS) == set(SCALAR_MAPS) == {c.map for c in FLOW_CASES if c.map}


@every
def test_directions_undo_each_other_and_log_determinants_are_those_of_the_jacobian(case):
    for sampling in (False, True):
        transform = case.build(sampling=sampling)(*case.contexts((2,)))
        for direction, back in ((transform, transform.inv), (transform.inv, transform)):
            value = points(case, 2)
            found = direction(value)
            log = direction.log_abs_det_jacobian(value, found).detach()
            again = back(found.clone())
            torch.testing.assert_close(again, value, rtol=0, atol=tolerance(case))
            assert log.shape == (2,)
            jacobian = torch.autograd.functional.jacobian(
                lambda v, way=direction: way(v).sum(0), value
            )
            for row in range(2):
                if case.event:
                    whole = jacobian.movedim(len(case.event), 0)[row].reshape(
                        value[0].numel(), value[0].numel()
                    )
                else:
                    whole = jacobian[row].reshape(1, 1)
                wanted = torch.linalg.slogdet(whole)[1]
                assert float(log[row]) == pytest.approx(float(wanted), abs=tolerance(case))


@every
def test_batch_axes_of_values_and_contexts_broadcast(case):
    flow = case.build()
    value = points(case, 4, 1, 3)
    whole = case.contexts((2, 1))
    law = dist.TransformedDistribution(base_of(case), [flow(*whole)])
    found = law.log_prob(value)
    if not case.context:
        assert law.batch_shape == ()
        assert found.shape == (4, 1, 3)
        return
    assert law.batch_shape == (2, 1)
    assert law.sample((5,)).shape == (5, 2, 1, *case.event)
    assert law.expand((7, 2, 3)).rsample().shape == (7, 2, 3, *case.event)
    assert found.shape == (4, 2, 3)
    for row in range(2):
        own = flow(*[c[row, 0] for c in whole])
        alone = dist.TransformedDistribution(base_of(case), [own]).log_prob(value[:, 0])
        torch.testing.assert_close(found[:, row], alone, rtol=1e-9, atol=1e-9)


NUMERIC = [c for c in FLOW_CASES if c.transform in ("elementwise", "planar", "residual")]


@pytest.mark.parametrize("case", NUMERIC, ids=str)
def test_gradients_of_roots_and_fixed_points_are_those_of_finite_differences(case):
    for sampling in (False, True):
        flow = case.build(sampling=sampling)
        given = case.contexts((2,))
        value = points(case, 2)
        weights = list(flow.parameters())

        def total(value: torch.Tensor, flow=flow, given=given) -> torch.Tensor:
            transform = flow(*given)
            x = transform(value)
            u = flow(*given).inv(value)
            logs = transform.log_abs_det_jacobian(value, x)
            return (torch.asinh(x).sum() + torch.asinh(u + 1.0).sum()) + logs.sum()

        leaf = value.clone().requires_grad_()
        grads = torch.autograd.grad(total(leaf), [leaf, *weights], allow_unused=True)
        step = 1e-5
        for at, grad in zip([leaf, *weights], grads, strict=True):
            if grad is None:
                continue
            assert torch.isfinite(grad).all()
            direction = torch.randn(at.shape, generator=torch.Generator().manual_seed(5))
            with torch.no_grad():
                before = at.clone()
                at.copy_(before + step * direction)
                up = float(total(leaf).detach())
                at.copy_(before - step * direction)
                down = float(total(leaf).detach())
                at.copy_(before)
            wanted = (up - down) / (2 * step)
            assert float((grad * direction).sum()) == pytest.approx(wanted, rel=2e-5, abs=2e-6)


@pytest.mark.parametrize("case", [c for c in FLOW_CASES if np.prod(c.event) <= 2], ids=str)
def test_densities_integrate_to_one(case):
    flow = case.build()
    law = dist.TransformedDistribution(base_of(case), [flow(*case.contexts(()))])
    rank = int(np.prod(case.event))
    # In coordinates t with x = sinh t, in which heavy tails are short.
    line = torch.linspace(-12.0, 12.0, 2001 if rank == 1 else 301)
    mesh = torch.stack(torch.meshgrid(*[line] * rank, indexing="ij"), -1)
    x = torch.sinh(mesh)
    logs = law.log_prob(x.reshape(*x.shape[:-1], *case.event))
    inside = (logs + torch.log(torch.cosh(mesh)).sum(-1)).exp()
    step = float(line[1] - line[0])
    assert float(inside.sum().detach()) * step**rank == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("case", RECORDED, ids=str)
def test_densities_can_be_recorded(case):
    """No step depends on values in Python: a recording at other points gives their densities."""
    flow = case.build()
    given = case.contexts((4,))

    def density(value: torch.Tensor) -> torch.Tensor:
        return dist.TransformedDistribution(
            base_of(case), [flow(*given)], validate_args=False
        ).log_prob(value)

    graph = make_fx(density)(points(case, 4))
    other = 3.0 * points(case, 4, seed=9)
    torch.testing.assert_close(graph(other), density(other))


@every
def test_single_precision(case):
    torch.set_default_dtype(torch.float32)
    flow = case.build()
    value = points(case, 50)
    transform = flow(*case.contexts((50,)))
    u = transform.inv(value)
    log = transform.log_abs_det_jacobian(u, value)
    assert u.dtype == log.dtype == torch.float32
    assert torch.isfinite(u).all()
    assert torch.isfinite(log).all()
    again = flow(*case.contexts((50,)))(u)
    loose = 0.05 if "nonlinear" in case.map or "mixture" in case.map else 5e-3
    torch.testing.assert_close(again, value, rtol=loose, atol=loose)


def test_masked_and_inverse_autoregressive_flows_are_dual():
    """The same weights turned are the other direction, bit for bit."""
    case = FlowCase("autoregressive", (3,), {"layers": 2, "hidden": [8]}, "affine")
    masked, inverse = case.build(), case.build(sampling=True)
    assert all(isinstance(layer, Turned) for layer in inverse.layers)
    for layer, other in zip(reversed(masked.layers), inverse.layers, strict=True):
        other.turned.load_state_dict(layer.state_dict())
    value = points(case, 6)
    assert torch.equal(masked().inv(value), inverse()(value))
    assert torch.equal(masked()(value), inverse().inv(value))
    # A draw of the inverse flow knows its density without a second pass.
    calls: list[int] = []
    with observed([inverse], lambda *_: calls.append(1)):
        law = dist.TransformedDistribution(base_of(case), [inverse()])
        law.log_prob(law.rsample((5,)))
    assert not calls


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_cost_classes_are_those_of_networks_evaluated(name):
    """Sequential directions call the network once for each entry, parallel ones once."""
    spec, entries = TRANSFORMS[name], 6
    event = (3, 2) if name == "invertible_conv1x1" else (entries,)
    event = (4, 4) if name == "glow" else event
    options = {"layers": 1, "hidden": [8]} if spec.option_names >= {"layers", "hidden"} else {}
    flow = build_flow(name, options, Port(event, REAL))
    nets = [m for m in flow.modules() if isinstance(m, torch.nn.Linear)]
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    handles = [net.register_forward_hook(count) for net in nets[:1]]
    value = torch.randn(4, *event)
    flow().inv(value)
    there, calls = calls, 0
    flow()(value)
    if nets and spec.forward is Way.SEQUENTIAL:
        assert (there, calls) == (1, entries)
    elif nets and spec.forward is Way.PARALLEL and name not in ("continuous", "residual"):
        assert there == calls == 1
    for handle in handles:
        handle.remove()


def test_normalisations_begin_at_the_moments_of_the_data():
    x = 5.0 + 3.0 * torch.randn(1000, 2) @ torch.tensor([[1.0, 0.5], [0.0, 1.0]])
    x[:, 1] = 4.0  # does not vary
    for name in ("actnorm", "standardise"):
        flow = build_flow(name, {}, Port((2,), REAL))
        flow.layers[0].initialise(x)
        u = flow().inv(x)
        assert torch.isfinite(u).all()
        torch.testing.assert_close(u.mean(0), torch.zeros(2), rtol=0, atol=1e-12)
        assert float(u[:, 0].detach().std(correction=0)) == pytest.approx(1.0, abs=1e-12)


def test_planar_determinant_of_the_literature():
    """Rezende and Mohamed's formula at a point, det = 1 + w . v (1 - tanh^2)."""
    flow = build_flow("planar", {"layers": 1}, Port((2,), REAL))
    w, v, b = torch.tensor([1.0, -0.5]), torch.tensor([0.4, 0.2]), 0.1
    layer = flow.layers[0]
    along = float(w @ v)
    raw_along = np.log(np.expm1(along + 1.0)) - np.log(np.expm1(1.0))
    raw = v + (raw_along - along) * w / (w @ w)
    with torch.no_grad():
        layer.values.begin(torch.cat((w, raw, torch.tensor([b]))))
    u, log = layer.inverse(torch.tensor([[0.3, 0.7]]), None)
    assert float(log.detach().exp()) == pytest.approx(1.2992512, abs=1e-7)
    bend = np.tanh(0.3 - 0.35 + 0.1)
    np.testing.assert_allclose(u[0].detach(), [0.3 + 0.4 * bend, 0.7 + 0.2 * bend], atol=1e-12)


def test_a_linear_equation_has_its_exponential_as_flow():
    """dx/dt = A x has log-determinant tr(A) T; with tanh in its linear part."""
    flow = build_flow("continuous", {"hidden": [2], "steps": 200}, Port((2,), REAL))
    layer = flow.layers[0]
    matrix, small = torch.tensor([[0.3, 0.2], [-0.1, 0.1]]), 1e-5
    with torch.no_grad():
        for weight in layer.parameters():
            weight.zero_()
        layer.layers[0].weight.copy_(small * torch.eye(2))
        layer.layers[1].weight.copy_(matrix / small)
    u = torch.tensor([[0.5, -1.0]])
    x, log = layer(u, None)
    assert float(log.detach()) == pytest.approx(0.4, abs=1e-8)
    torch.testing.assert_close(x[0], torch.matrix_exp(matrix) @ u[0], rtol=0, atol=1e-8)


def test_lipschitz_constants_are_kept():
    flow = build_flow("residual", {"layers": 1, "hidden": [16, 16]}, Port((3,), REAL))
    with torch.no_grad():
        for weight in flow.parameters():
            weight *= 50.0
    x, y = 3.0 * torch.randn(2, 500, 3)
    layer = flow.layers[0]

    def added(x):
        return layer.inverse(x, None)[0] - x

    ratio = (added(x) - added(y)).norm(dim=-1) / (x - y).norm(dim=-1)
    assert float(ratio.max().detach()) <= 0.9


def test_the_bump_needs_the_modulus_of_its_height():
    """a = 0.3, c = -0.6, d = 1 satisfies the bound without the modulus, and is not monotone."""
    t = torch.linspace(-3, 3, 2001)
    found = NonlinearSquared.value_and_slope(
        t, tuple(torch.tensor(v) for v in (0.3, 0.0, -0.6, 1.0, 0.0))
    )[1]
    assert float(found.min()) == pytest.approx(-0.0897, abs=1e-4)
    raw = torch.randn(200, 5) * 3.0
    slopes = NonlinearSquared().inverse(t.unsqueeze(-1).expand(-1, 200), raw.expand(2001, 200, 5))
    assert torch.isfinite(slopes[1]).all()


def test_what_cannot_be_built_is_refused():
    for name, event, options, reason in (
        ("coupling", (1,), {}, "lets entries depend on others"),
        ("coupling", (4,), {"mask": "checkerboard"}, "a checkerboard has two axes"),
        ("invertible_conv1x1", (4,), {}, "that of channels"),
        ("autoregressive", (4,), {"layers": 0}, "a whole number from 1"),
        ("affine", (0,), {}, "has no entries"),
        ("glow", (4, 6), {"levels": 2}, "sides are halved 2 times, and 6 cannot be"),
    ):
        with pytest.raises(NetError, match=reason):
            build_flow(name, options, Port(event, REAL))
    with pytest.raises(NetError, match="has no context"):
        build_flow("actnorm", {}, Port((2,), REAL), [Port((1,), REAL)])
