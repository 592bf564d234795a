"""Networks that come from Python: what is asked of them, and that they are trained like others."""

from __future__ import annotations

# ruff: noqa: E501
import numpy as np
import pyro
import pytest
import torch
from torch import Tensor, nn

import gendsl
from gendsl.cli import main
from gendsl.diagnostics import DataError
from gendsl.runtime.nets.written import supplied
from gendsl.runtime.training.trainable import Trainable

QUICK = {"progress": False, "draws": 5, "seed": 1}
GUIDED = """\
model Guided
plate n  dim L = 2  dim D = 6
net decode: real[L] -> real[D] = mlp(hidden=[8])
net encode: real[D] -> (loc: real[L], scale: positive[L])
latent z[n]: real[L] ~ Normal(0, 1)
observe x[n]: real[D] ~ Normal(decode(z), 1)
guide z ~ Normal(encode(x))
"""
BUILT = GUIDED.replace("positive[L])\n", "positive[L]) = mlp(hidden=[5])\n")
CURVE = """\
model Curve
plate n
input u[n]: real
input g[n]: index(3)
net f: (real, index(3)) -> real
param a: real = 0
observe y[n] ~ Normal(a + f(u, g), 1)
"""


class Encoder(nn.Module):
    """The network of `BUILT`, which takes one batch axis and no other."""

    def __init__(self, latents: int = 2, numbers: int = 6, hidden: int = 5) -> None:
        super().__init__()
        self.latents = latents
        self.hidden = nn.Linear(numbers, hidden)
        self.last = nn.Linear(hidden, 2 * latents)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Loc and scale."""
        assert x.ndim == 2
        loc, raw = self.last(torch.relu(self.hidden(x))).split(self.latents, -1)
        return {"loc": loc, "scale": nn.functional.softplus(raw) + 1e-6}


def data(rows=40):
    return {"x": np.random.default_rng(0).normal(size=(rows, 6))}


def guided():
    return gendsl.compile(GUIDED, "guided.gen")


def test_it_learns_as_the_same_network_of_the_table_does():
    """From the same weights and the same random numbers both trainings are the same."""
    encoder = Encoder()
    before = {n: t.clone() for n, t in encoder.state_dict().items()}
    fit = guided().fit(data(), nets={"encode": encoder}, epochs=30, **QUICK)

    assert all(torch.equal(before[n], t) for n, t in encoder.state_dict().items())
    own = fit.nets["encode"]
    assert isinstance(own, Encoder)
    assert not torch.equal(own.hidden.weight, encoder.hidden.weight)
    program = gendsl.compile(BUILT)
    same = program.fit(data(), epochs=1, **QUICK)
    table = same.nets["encode"]
    state = dict(zip(table.state_dict(), own.state_dict().values(), strict=True))
    table.load_state_dict(state)
    same.nets["decode"].load_state_dict(fit.nets["decode"].state_dict())
    assert np.allclose(fit.encode()["z"], same.encode()["z"], atol=1e-6)
    assert fit.score(seed=3).elbo.mean == pytest.approx(same.score(seed=3).elbo.mean, rel=1e-5)


def test_the_loss_is_that_of_pyro_on_the_emitted_program():
    fit = guided().fit(data(), nets={"encode": Encoder()}, epochs=2, **QUICK)
    namespace = {"__name__": "program"}
    exec(compile(fit.compiled.program.source, "program", "exec"), namespace)
    x = torch.as_tensor(data()["x"], dtype=torch.float32)
    nets = dict(fit.learned.nets)
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    loss = pyro.infer.Trace_ELBO().loss(
        namespace["model"], namespace["guide"], n_n=len(x), nets=nets, x=x
    )
    with fit._ready(fit.data) as inference:
        pyro.set_rng_seed(0)
        with torch.no_grad():
            sites = inference.light.sites(inference.everything(), 1, len(x), len(x))
    ours = sum(
        float(s.log_p.sum()) - (float(s.log_q.sum()) if s.log_q is not None else 0) for s in sites
    )
    assert -loss == pytest.approx(ours, rel=1e-5)


def test_a_run_is_read_back_with_the_modules(tmp_path):
    fit = guided().fit(data(), nets={"encode": Encoder()}, epochs=2, **QUICK)
    fit.save(tmp_path / "run")
    back = gendsl.load_fit(tmp_path / "run", nets={"encode": Encoder()})
    assert np.array_equal(fit.encode()["z"], back.encode()["z"])
    with pytest.raises(DataError, match=r"error\[GD866\]: `encode` has no architecture"):
        gendsl.load_fit(tmp_path / "run")
    with pytest.raises(DataError) as caught:
        gendsl.load_fit(tmp_path / "run", nets={"encode": Encoder(hidden=4)})
    assert (
        str(caught.value)
        .splitlines()[0]
        .endswith(
            "error[GD867]: the module for `encode` has other weights than the run: `hidden.weight` is "
            "(4, 6), but (5, 6) in the run; `hidden.bias` is (4,), but (5,) in the run; `last.weight` "
            "is (4, 4), but (4, 5) in the run"
        )
    )


def test_functions_without_weights_are_taken():
    fit = gendsl.compile(CURVE).fit(
        {"u": [0.0, 1.0], "g": [0, 2], "y": [1.0, 2.0]},
        nets={"f": lambda u, g: 2 * u + g},
        dtype="float64",
        epochs=300,
        learning_rate=0.05,
        weight_decay=0.0,
        progress=False,
    )
    assert float(fit.estimate["a"]) == pytest.approx(((1 - 0) + (2 - 4)) / 2, abs=1e-3)


def test_weights_that_modules_share_are_trained_once():
    shared = nn.Linear(2, 3)
    trainable = Trainable(
        {"a": nn.Sequential(shared), "b": nn.Sequential(shared, nn.Linear(3, 1))}
    )
    assert list(trainable.parameters) == ["a.0.weight", "a.0.bias", "b.1.weight", "b.1.bias"]
    text = CURVE.replace("net f:", "net h: (real, index(3)) -> real\nnet f:")
    text = text.replace("f(u, g), 1", "f(u, g) + h(u, g), 1")

    class Sum(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, u: Tensor, g: Tensor) -> Tensor:
            return self.inner(torch.stack((u, g.to(u)), -1)).squeeze(-1)

    inner = nn.Linear(2, 1)
    fit = gendsl.compile(text).fit(
        {"u": [0.0, 1.0], "g": [0, 2], "y": [1.0, 2.0]},
        nets={"f": Sum(inner), "h": Sum(inner)},
        epochs=3,
        average=0.9,
        progress=False,
    )
    assert fit.nets["f"].inner is fit.nets["h"].inner


def test_batch_normalisation_is_remarked_on():
    class Normalised(Encoder):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(6)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return super().forward(self.norm(x))

    fit = guided().fit(data(), nets={"encode": Normalised()}, epochs=2, **QUICK)
    assert "`encode` has batch normalisation" in fit.tree.attrs["note"]


def test_the_program_says_where_the_module_stands(tmp_path):
    source = guided().pyro_source
    assert "'encode': runtime.supplied(" in source
    with pytest.raises(SystemExit, match="put its module in the place of None"):
        supplied("encode", None, "real[D] -> real[D]", {"D": 3})
    net = supplied("encode", nn.Linear(3, 3), "real[D] -> real[D]", {"D": 3})
    assert net(torch.zeros(2, 4, 3)).shape == (2, 4, 3)


def test_the_shell_refuses_with_the_remedy(tmp_path, capsys):
    (tmp_path / "guided.gen").write_text(GUIDED)
    np.savez(tmp_path / "data.npz", **data())
    status = main(["fit", str(tmp_path / "guided.gen"), "--data", str(tmp_path / "data.npz")])
    assert status != 0
    assert (
        "in the shell write an architecture, `net encode: ... = mlp()`" in capsys.readouterr().err
    )


# Messages


class Negative(Encoder):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        found = super().forward(x)
        return {"loc": found["loc"].double(), "scale": -1 + 0 * found["scale"]}


class Random(Encoder):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        found = super().forward(x)
        return found | {"loc": torch.randn_like(found["loc"])}


class Mixing(Encoder):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return super().forward(x - x.mean(0))


class Endless(Encoder):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return super().forward(x / 0)


class Misnamed(Encoder):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        found = super().forward(x)
        return {"loc": found["loc"][:, 0], "sd": found["scale"]}


HIDDEN = torch.ones(6, 2, requires_grad=True)
TAKES = 'it takes tensors (rows, D) and gives {"loc": (rows, L), "scale": (rows, L)}, for any number of rows'
AT = "guided.gen:4:5: error[GD867]: "
MISTAKES = {
    "nothing": (
        {},
        [
            "guided.gen:4:5: error[GD866]: `encode` has no architecture, and no module is given for it"
        ],
    ),
    "misspelt": (
        {"encoed": Encoder()},
        [
            "guided.gen:4:5: error[GD866]: `encode` has no architecture, and no module is given for it",
            "guided.gen: error[GD866]: no net is called `encoed`",
            "help: did you mean `encode`?",
        ],
    ),
    "declared": (
        {"encode": Encoder(), "decode": Encoder()},
        [
            "guided.gen:3:5: error[GD866]: a module is given for `decode`, but the file says what `decode` is"
        ],
    ),
    "class": (
        {"encode": Encoder},
        [AT + "what is given for `encode` is a class; give a module: `Encoder(...)`"],
    ),
    "number": (
        {"encode": 3},
        [
            AT
            + "what is given for `encode` is of type `int`, neither a `torch.nn.Module` nor a function"
        ],
    ),
    "no dict": (
        {"encode": nn.Linear(6, 4)},
        [
            AT
            + 'the module for `encode`: it gives a Tensor, not a dict {"loc": ..., "scale": ...}',
            "help: " + TAKES,
        ],
    ),
    "shape": (
        {"encode": Encoder(3)},
        [
            AT + "the module for `encode`: `loc` is of shape (6, 3), not (6, 2) (rows, L)",
            AT + "the module for `encode`: `scale` is of shape (6, 3), not (6, 2) (rows, L)",
        ],
    ),
    "names": (
        {"encode": Misnamed()},
        [
            AT + "the module for `encode`: it gives no `scale`",
            AT + "the module for `encode`: it gives `sd`, which the signature has not",
            AT + "the module for `encode`: `loc` is of shape (6,), not (6, 2) (rows, L)",
        ],
    ),
    "input": (
        {"encode": Encoder(2, 9)},
        [
            AT
            + "the module for `encode`: it fails on tensors of shape (6, 6): RuntimeError: mat1 and mat2 shapes cannot be "
            "multiplied (6x6 and 9x5)"
        ],
    ),
    "support": (
        {"encode": Negative()},
        [
            AT + "the module for `encode`: `loc` is float64, but the fit computes in float32",
            AT
            + "the module for `encode`: `scale` must be positive (greater than 0), but 12 of 12 values are not: "
            "scale[0, 0] is -1, scale[0, 1] is -1, scale[1, 0] is -1, scale[1, 1] is -1, scale[2, 0] is -1 and 7 more "
            "(counted from 0)",
        ],
    ),
    "random": (
        {"encode": Random()},
        [
            AT
            + "the module for `encode`: it gives other values each time, after `eval()` too: densities would be random"
        ],
    ),
    "mixing": (
        {"encode": Mixing()},
        [
            AT
            + "the module for `encode`: the values of a row depend on other rows, after `eval()` too"
        ],
    ),
    "not finite": (
        {"encode": Endless()},
        [
            AT + "the module for `encode`: `loc` is not finite for ordinary inputs",
            AT + "the module for `encode`: `scale` is not finite for ordinary inputs",
        ],
    ),
    "hidden weights": (
        {"encode": lambda x: {"loc": x @ HIDDEN, "scale": 1 + 0 * x[:, :2]}},
        [
            AT
            + "the module for `encode`: `loc` depends on weights that it does not show, which would not be trained; "
            "make it a `torch.nn.Module` that has them as parameters"
        ],
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told_together(name):
    nets, expected = MISTAKES[name]
    with pytest.raises(DataError) as caught:
        guided().fit(data(), nets=nets, epochs=1, **QUICK)
    lines = str(caught.value).splitlines()
    found = [line for line in lines if "error[" in line]
    assert found == [line for line in expected if "error[" in line]
    assert [e for e in expected if e not in lines] == []


def test_methods_without_networks_take_none():
    model = gendsl.compile("model M\nlatent a ~ Normal(0, 1)\nobserve y ~ Normal(a, 1)\n")
    with pytest.raises(DataError, match="no net is called `f`"):
        model.fit({"y": 1.0}, nets={"f": nn.Linear(1, 1)}, progress=False)


def test_a_causal_signature_is_tried():
    text = CURVE.replace("(real, index(3)) -> real", "real[4] -> causal real[4]")
    text = text.replace("input u[n]: real", "").replace("input g[n]: index(3)", "")
    text = text.replace(
        "observe y[n] ~ Normal(a + f(u, g), 1)", "observe y[n]: real[4] ~ Normal(a + f(y), 1)"
    )
    rows = {"y": np.zeros((5, 4))}

    def later(x: Tensor) -> Tensor:
        return torch.cumsum(x, -1)

    def earlier(x: Tensor) -> Tensor:
        return torch.cumsum(x, -1) - x

    model = gendsl.compile(text)
    with pytest.raises(DataError, match="`f` is not causal"):
        model.fit(rows, nets={"f": later}, epochs=1, progress=False)
    model.fit(rows, nets={"f": earlier}, epochs=1, progress=False)
