"""Every message about saved runs, summaries, plots and files of commands, word for word."""

# ruff: noqa: E501

import json
from functools import cache

import pytest

import gendsl
from gendsl.cli import main
from gendsl.diagnostics import GenError
from gendsl.explanations.results import CODES
from gendsl.graph.queries import parents

TEXT = "model M\nplate n\nlatent m ~ Normal(0, 1)\nobserve y[n] ~ Normal(m, 1)\n"


@cache
def fit(infer=None):
    options = {"chains": 1, "draws": 20, "warmup": 20, "treat": {"m": "sampled"}}
    options = options if infer is None else {}
    model = gendsl.compile(TEXT, "m.gen")
    return model.fit({"y": [1.0, 2.0]}, infer=infer, progress=False, **options)


def saved(folder):
    return fit().save(folder / "run")


def facts(folder, **changes):
    path = saved(folder) / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return gendsl.load_fit(folder / "run")


def rewritten(folder, name, change):
    path = saved(folder) / name
    content = path.read_bytes()
    path.unlink()
    change(path, content)
    return gendsl.load_fit(folder / "run")


def occupied(folder):
    (folder / "run").mkdir()
    (folder / "run" / "thesis.txt").write_text("chapter 1")
    return saved(folder)


def beside(folder):
    (saved(folder) / "thesis.txt").write_text("chapter 1")
    return fit().save(folder / "run", overwrite=True)


def below_a_file(folder):
    (folder / "file").write_text("")
    return fit().save(folder / "file" / "run")


def annotated(folder):
    noted = fit().with_predictive()
    noted.tree.attrs["note"] = {"a": 1}
    return noted.save(folder / "run")


ACTIONS = {
    "GD801": lambda f: gendsl.load_fit(f / "run"),
    "GD801, no facts": gendsl.load_fit,
    "GD801, other facts": lambda f: facts(f, format="other"),
    "GD802": lambda f: rewritten(f, "data.npz", lambda path, content: None),
    "GD803": lambda f: rewritten(f, "model.gen", lambda path, c: path.write_bytes(c[:9])),
    "GD803, facts": lambda f: facts(f, format_version="1"),
    "GD804": lambda f: rewritten(
        f, "model.gen", lambda p, c: p.write_bytes(c.replace(b"1", b"2"))
    ),
    "GD805": lambda f: facts(f, format_version=99),
    "GD806": occupied,
    "GD806, beside": beside,
    "GD807": lambda f: (saved(f), saved(f)),
    "GD808": lambda f: rewritten(
        f, "data.npz", lambda path, content: path.symlink_to("/etc/hosts")
    ),
    "GD809": below_a_file,
    "GD810": annotated,
    "GD811": lambda f: fit().summary(["M"]),
    "GD811, far": lambda f: fit().plot("trace", ["theta"]),
    "GD811, predictive": lambda f: fit().plot("predictive", ["m"]),
    "GD811, graph": lambda f: parents(gendsl.compile(TEXT).graph, "Y"),
    "GD812": lambda f: fit("map").plot("trace"),
    "GD813": lambda f: fit().summary(ci_prob=90),
}
EXPECTED = {
    "GD801": """\
error[GD801]: there is no folder <tmp>/run
help: a saved run is a folder that `fit.save` or `gendsl fit --out` wrote
""",
    "GD801, no facts": """\
error[GD801]: <tmp> is not a saved run: it has no meta.json
help: a saved run is a folder that `fit.save` or `gendsl fit --out` wrote
""",
    "GD801, other facts": """\
error[GD801]: <tmp>/run/meta.json does not describe a run of gendsl
""",
    "GD802": """\
error[GD802]: cannot read <tmp>/run/data.npz: No such file or directory
help: copy the whole folder again, or fit again
""",
    "GD803": """\
error[GD803]: <tmp>/run/model.gen has 9 bytes, but 68 were written
help: copy the whole folder again, or fit again
""",
    "GD803, facts": """\
error[GD803]: <tmp>/run/meta.json has no usable format_version: '1'
""",
    "GD804": """\
error[GD804]: <tmp>/run/model.gen was changed since it was written
help: copy the whole folder again, or fit again
""",
    "GD805": """\
error[GD805]: <tmp>/run has format 99; this gendsl reads up to 1
help: upgrade gendsl
""",
    "GD806": """\
error[GD806]: <tmp>/run is not empty and not a run of this gendsl: it is left alone
help: choose another folder
""",
    "GD806, beside": """\
error[GD806]: <tmp>/run holds other files beside the run: thesis.txt
help: move them away, or choose another folder
""",
    "GD807": """\
error[GD807]: <tmp>/run holds a run already
help: pass overwrite=True (on the command line --overwrite) to replace it
""",
    "GD808": """\
error[GD808]: <tmp>/run/data.npz is not a plain file
help: copy the whole folder again, or fit again
""",
    "GD809": """\
error[GD809]: cannot write <tmp>/file/run: <tmp>/file is not a folder
help: choose another folder
""",
    "GD810": """\
error[GD810]: the attribute 'note' of / is a dict, which is not saved
help: keep numbers, booleans, dates and text in it
""",
    "GD811": """\
error[GD811]: the results have no variable 'M'
help: did you mean 'm'?
""",
    "GD811, far": """\
error[GD811]: the results have no variable 'theta'
help: they have m
""",
    "GD811, predictive": """\
error[GD811]: 'm' is not both observed and replicated
help: those that are: y
""",
    "GD811, graph": """\
error[GD811]: `Y` is not a variable of `M`
help: did you mean `y`?
""",
    "GD812": """\
error[GD812]: the results have no group 'posterior', which this plot needs; they hold estimate, observed_data, standard_error
help: a point estimate has a forest plot
""",
    "GD813": """\
error[GD813]: `ci_prob` must lie between 0 and 1, not 90
help: 0.9 asks for intervals of 90 %
""",
}
COMMANDS = {
    "GD809": ["show", "m.gen", "-o", "no/plan.txt"],
    "GD830": ["show", "m.gen", "-o", "plan.txt"],
    "GD831": ["show", "m.gen", "-o", "m.gen", "--overwrite"],
    "GD832": ["explain", "Nromal"],
    "GD832, code": ["explain", "GD999"],
    "GD812, one chain": ["plot", "run", "--kind", "rank"],
    "GD812, no chains": ["plot", "point", "--kind", "trace"],
}
EXPECTED_OF_COMMANDS = {
    "GD809": """\
error[GD809]: cannot write no/plan.txt: there is no folder no

found 1 error
""",
    "GD830": """\
error[GD830]: plan.txt exists already
help: name another file, or pass --overwrite

found 1 error
""",
    "GD831": """\
error[GD831]: m.gen is read by this command and not replaced by it
help: name another file

found 1 error
""",
    "GD832": """\
error[GD832]: no code, distribution, function, architecture or method is called `Nromal`
help: did you mean `Normal`?

found 1 error
""",
    "GD832, code": """\
error[GD832]: no code, distribution, function, architecture or method is called `GD999`
help: `gendsl explain` lists the codes

found 1 error
""",
    "GD812, one chain": """\
error[GD812]: a rank plot compares chains, and there is one
help: fit with more chains

found 1 error
""",
    "GD812, no chains": """\
error[GD812]: a trace plot shows chains, and this result has none
help: leave `--kind` out to draw what suits it

found 1 error
""",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_messages(name, tmp_path):
    folder = tmp_path.resolve()
    with pytest.raises(GenError) as caught:
        ACTIONS[name](folder)

    assert str(caught.value).replace(str(folder), "<tmp>") + "\n" == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED_OF_COMMANDS)
def test_messages_of_commands(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.gen").write_text(TEXT)
    (tmp_path / "plan.txt").write_text("")
    if COMMANDS[name][0] == "plot":
        fit().save("run")
        fit("map").save("point")

    assert main(COMMANDS[name]) != 0
    assert capsys.readouterr().err == EXPECTED_OF_COMMANDS[name]


def test_every_case_has_its_message():
    assert ACTIONS.keys() == EXPECTED.keys()
    assert COMMANDS.keys() == EXPECTED_OF_COMMANDS.keys()


def test_every_code_is_shown():
    assert {name[:5] for name in (*EXPECTED, *EXPECTED_OF_COMMANDS)} == CODES.keys()
