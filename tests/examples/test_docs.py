"""What the documentation shows is checked, run and compared."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from gendsl.cli import main
from gendsl.frontend import check
from gendsl.inspection import reference
from gendsl.syntax.parser import parse
from gendsl.syntax.printer import format_program
from gendsl.syntax.reading import source_from_text

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
TUTORIAL = (DOCS / "tutorial.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
WRITTEN = [
    "README.md",
    "docs/architecture.md",
    "docs/language.md",
    "docs/energies.md",
    "docs/likelihoods.md",
    "docs/networks.md",
    "docs/tutorial.md",
]

BLOCK = re.compile(r"^```([a-z]*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""Language, remark and text of a block."""


def blocks(text: str, language: str, remark: str = "") -> list[str]:
    return [
        t for lang, note, t in BLOCK.findall(text) if (lang, note.strip()) == (language, remark)
    ]


def programs() -> list[tuple[str, str]]:
    found = []
    for name in WRITTEN:
        texts = blocks((ROOT / name).read_text(encoding="utf-8"), "gen")
        found += [pytest.param(t, id=f"{name}-{n}") for n, t in enumerate(texts)]
    return found


@pytest.mark.parametrize("text", programs())
def test_a_program_checks_clean_and_is_canonical(text):
    source = source_from_text(text, "block")
    assert check(source).warnings == ()
    assert format_program(parse(source)) == text


def test_the_readme_shows_the_example():
    example = (ROOT / "examples" / "eight_schools" / "model.gen").read_text(encoding="utf-8")
    assert blocks(README, "gen") == [example]


def test_the_message_in_the_readme_is_what_is_said(tmp_path, monkeypatch, capsys):
    shown = next(t for t in blocks(README, "") if "GD401" in t)
    monkeypatch.chdir(tmp_path)
    wrong = blocks(README, "gen")[0].replace("HalfCauchy(5)", "Normal(0, 5)")
    Path("model.gen").write_text(wrong, encoding="utf-8")
    assert main(["check", "model.gen"]) == 1
    assert shown in capsys.readouterr().err


@pytest.mark.parametrize("name", [*WRITTEN, "docs/gallery.md"])
def test_links_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / name).parent.joinpath(target).exists(), target


@pytest.mark.parametrize("name", WRITTEN)
def test_codes_that_are_mentioned_exist(name):
    codes = set(re.findall(r"GD\d{3}", (ROOT / name).read_text(encoding="utf-8")))
    assert codes <= set(reference.all_codes())


def test_the_language_page_mentions_every_refusal():
    text = (DOCS / "language.md").read_text(encoding="utf-8")
    later = [c for c in reference.all_codes() if c.startswith("GD9")]
    assert [c for c in later if c not in text and c != "GD909"] == []


@pytest.mark.parametrize("page", reference.PAGES)
def test_generated_page_is_up_to_date(page):
    assert (DOCS / page).read_text(encoding="utf-8") == reference.PAGES[page](), "run make docs"


def test_gallery_is_up_to_date():
    page = reference.gallery_page(ROOT / "examples", DOCS / "images")
    assert (DOCS / "gallery.md").read_text(encoding="utf-8") == page, "run make docs"


def test_diagrams_are_up_to_date():
    drawn = reference.diagrams(ROOT / "examples")
    assert {p.name for p in (DOCS / "images").glob("*.svg")} == set(drawn)
    for name, picture in drawn.items():
        assert (DOCS / "images" / name).read_text(encoding="utf-8") == picture, "run make docs"


def run(line: str) -> int:
    program, *arguments = shlex.split(line, comments=True)
    assert program == "gendsl"
    return main([*arguments, *(["--quiet"] if arguments[0] == "fit" else [])])


def test_the_tutorial_can_be_followed(tmp_path, monkeypatch, capsys):
    """Each block in turn: files are written, commands run, outputs of checks compared."""
    monkeypatch.chdir(tmp_path)
    said, table = "", 0
    for language, _, text in BLOCK.findall(TUTORIAL):
        match language:
            case "csv":
                Path(("dyestuff.csv", "next.csv")[table]).write_text(text, encoding="utf-8")
                table += 1
            case "gen":
                Path("dyestuff.gen").write_text(text, encoding="utf-8")
            case "sh":
                status = [run(line) for line in text.splitlines()]
                said = "".join(capsys.readouterr())
                assert status[-1] == (1 if "error[" in said else 0)
            case "text" if "dyestuff.gen:" in text or text.startswith("checked"):
                assert text in said
            case _:
                pass
    assert sorted(p.name for p in Path("run/plots").iterdir()) == [
        "forest.png", "graph.svg", "predictive.png", "rank.png", "trace.png"
    ]  # fmt: skip
    assert Path("next_yield.csv").is_file()


def test_the_python_of_the_tutorial_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("dyestuff.gen").write_text(blocks(TUTORIAL, "gen")[-1], encoding="utf-8")
    Path("dyestuff.csv").write_text(blocks(TUTORIAL, "csv")[0], encoding="utf-8")
    (text,) = blocks(TUTORIAL, "python")
    exec(compile(text, "tutorial.md", "exec"), {})
    assert Path("saved").is_dir()


def test_the_python_of_the_readme_runs(monkeypatch):
    monkeypatch.chdir(ROOT)
    (text,) = blocks(README, "python")
    exec(compile(text, "README.md", "exec"), {})


def test_the_python_of_the_page_on_networks_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "networks.md").read_text(encoding="utf-8")
    Path("autoencoder.gen").write_text(blocks(text, "gen")[0], encoding="utf-8")
    (code,) = blocks(text, "python")
    exec(compile(code, "networks.md", "exec"), {})


def test_the_python_of_the_page_on_energies_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "energies.md").read_text(encoding="utf-8")
    Path("machine.gen").write_text(blocks(text, "gen")[0], encoding="utf-8")
    (code,) = blocks(text, "python")
    exec(compile(code, "energies.md", "exec"), {"__name__": "__main__"})


def test_the_python_of_the_page_on_likelihoods_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "likelihoods.md").read_text(encoding="utf-8")
    models = blocks(text, "gen")
    Path("density.gen").write_text(models[0], encoding="utf-8")
    moons = next(m for m in models if "model Moons" in m)
    Path("moons.gen").write_text(moons, encoding="utf-8")
    for code in blocks(text, "python"):
        exec(compile(code, "likelihoods.md", "exec"), {})


def test_the_commands_of_the_readme_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("examples").symlink_to(ROOT / "examples")
    (text,) = blocks(README, "sh")
    assert [run(line) for line in text.splitlines()] == [0, 0, 0]


@pytest.mark.parametrize("name", sorted(p.parent.name for p in ROOT.glob("examples/*/answer.py")))
def test_the_python_of_an_example_runs(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    texts = blocks((ROOT / "examples" / name / "README.md").read_text(encoding="utf-8"), "python")
    quick = "\n".join(texts).replace("seed=1", "seed=1, progress=False, draws=100, warmup=100")
    exec(compile(quick, f"{name}/README.md", "exec"), {})
