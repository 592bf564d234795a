"""Nets are no nodes: what they are called with is joined to what is computed from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gendsl.frontend import check
from gendsl.graph.build import build_graph, random_sources
from gendsl.graph.facts import derive_facts
from gendsl.inspection.diagram import plate_diagram_svg
from gendsl.inspection.dot import to_dot
from gendsl.inspection.layout import lay_out, verify_layout
from gendsl.inspection.mermaid import to_mermaid
from gendsl.ir import nodes as ir
from gendsl.syntax.reading import read_source

MODELS = Path(__file__).parents[1] / "golden" / "valid" / "models"


def model_of(name: str) -> ir.Model:
    return check(read_source(MODELS / f"{name}.gen")).ir


def test_arguments_of_nets_are_parents():
    graph = build_graph(model_of("networks"))
    assert set(graph.predecessors("z")) == {"x"}
    assert set(graph.predecessors("width")) == {"x"}
    assert set(graph.predecessors("y")) == {"z", "kind_of", "s", "w", "sd"}
    assert set(graph.predecessors("sd")) == {"shift"}
    assert graph.edges["z", "y"]["kinds"] == ("value",)
    assert set(random_sources(graph, "y")) == {"z", "kind_of", "s", "shift"}


@pytest.mark.parametrize("name", ["networks", "guides"])
def test_pictures_have_the_variables_and_no_nets(name):
    model = model_of(name)
    graph = build_graph(model)
    assert set(graph) == {v.name for v in model.variables}
    verify_layout(lay_out(graph))
    for text in (to_dot(graph), to_mermaid(graph), plate_diagram_svg(graph)):
        assert all(v.name in text for v in model.variables)
        assert all(f">{net.name}<" not in text for net in model.nets)


def test_facts_name_the_nets_of_the_density_and_the_guided_latents():
    facts = derive_facts(model_of("guides"))
    assert facts.nets == ("decode",)
    assert set(facts.guided) == {"share", "tau", "z"}
    assert set(derive_facts(model_of("networks")).nets) == {"encode", "score", "spread", "weight"}
