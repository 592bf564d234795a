"""Plate diagrams: right by `verify_layout` over many graphs, well-formed, always the same."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from graph.models import (
    MODELS,
    apply,
    big,
    crossing_chain,
    eight_schools,
    energy,
    given,
    hmm,
    item_response_matrix,
    latent,
    let,
    model,
    observe,
    param,
    radon,
    three_crossing,
)
from hypothesis import given as randomly
from hypothesis import settings
from hypothesis import strategies as st

from gendsl.graph.build import build_graph
from gendsl.inspection.diagram import plate_diagram_svg
from gendsl.inspection.dot import to_dot
from gendsl.inspection.layout import lay_out, verify_layout
from gendsl.inspection.mermaid import to_mermaid
from gendsl.inspection.shapes import Rect
from gendsl.types import COUNT, REAL

SVG = "{http://www.w3.org/2000/svg}"
every_model = pytest.mark.parametrize("name", MODELS)
MAKERS = {"input": given, "param": param}
TEXTS = {"svg": plate_diagram_svg, "dot": to_dot, "mermaid": to_mermaid}


@st.composite
def models(draw):
    """Models of up to 14 nodes in up to 4 plates that nest and cross as they like."""
    plates = [f"p{i}" for i in range(draw(st.integers(0, 4)))]
    places = st.sets(st.sampled_from(plates)) if plates else st.just(set())
    items = []
    for number in range(draw(st.integers(1, 14))):
        name = f"v{number}" + draw(st.sampled_from(["", "", "_long_name", "_a_very_long_name"]))
        where = " ".join(sorted(draw(places)))
        names = st.sampled_from([item.name for item in items]) if items else st.nothing()
        above = sorted(draw(st.sets(names, max_size=3))) if items else []
        role = draw(st.sampled_from(["input", "param", "latent", "observe", "let"]))
        if role in MAKERS:
            items.append(MAKERS[role](name, plates=where))
        elif role == "let":
            items.append(let(name, plates=where, value=apply("add", *above)))
        else:
            make = latent if role == "latent" else observe
            family = draw(st.sampled_from(["Normal", "NegativeBinomial"]))
            support = draw(st.sampled_from([REAL, COUNT]))
            items.append(make(name, family, *above, plates=where, support=support))
    if draw(st.booleans()):
        items.append(energy(items[0].name, plates=" ".join(sorted(draw(places)))))
    return model("Random", [f"plate {p}" for p in plates], *items)


@every_model
def test_layout_is_right(name):
    assert verify_layout(lay_out(build_graph(MODELS[name]()))) == []


@settings(max_examples=60, deadline=None)
@randomly(models())
def test_layout_of_random_models_is_right(made):
    assert verify_layout(lay_out(build_graph(made))) == []


def test_an_empty_model_has_a_picture():
    graph = build_graph(model("Empty", []))
    assert verify_layout(lay_out(graph)) == []
    ElementTree.fromstring(plate_diagram_svg(graph))


@every_model
def test_edges_run_downwards_except_lags(name):
    for edge in lay_out(build_graph(MODELS[name]())).edges:
        (_, start), (_, end) = edge.curve[0][0], edge.curve[-1][3]
        assert start < end or edge.kind == "lag"


@every_model
def test_svg_is_well_formed_and_complete(name):
    graph = build_graph(MODELS[name]())
    root = ElementTree.fromstring(plate_diagram_svg(graph))
    assert root.find(f"{SVG}title").text == f"Plate diagram of {graph.graph['name']}"
    texts = [node.text for node in root.iter(f"{SVG}text")]
    assert set(graph) <= set(texts)
    edges = [g for g in root.findall(f"{SVG}g") if g.get("class", "").startswith("edge")]
    assert len(edges) == graph.number_of_edges()


def test_nodes_have_tooltips():
    root = ElementTree.fromstring(plate_diagram_svg(build_graph(eight_schools())))
    titles = [title.text for title in root.iter(f"{SVG}title")]
    assert (
        "latent theta: real over school\n~ Normal\nline 5: latent theta[school] ~ Normal(...)"
        in titles
    )


def test_sizes_owners_and_lags_are_written():
    assert ">school = 8<" in plate_diagram_svg(build_graph(eight_schools()))
    assert ">t−1<" in plate_diagram_svg(build_graph(hmm()))


def test_index_edges_are_broken():
    assert plate_diagram_svg(build_graph(radon())).count('<g class="edge index">') == 1


def test_names_are_escaped():
    made = model("A<&\"'", [], latent("x", '<Normal> & "co"'))
    root = ElementTree.fromstring(plate_diagram_svg(build_graph(made)))
    assert root.get("aria-label") == "Plate diagram of A<&\"'"
    assert "&lt;Normal&gt;" not in to_dot(build_graph(made))
    assert '"x\\n<Normal> & \\"co\\""' in to_dot(build_graph(made))
    assert "#lt;Normal#gt; #amp; #quot;co#quot;" in to_mermaid(build_graph(made))


@pytest.mark.parametrize("form", TEXTS)
def test_the_same_graph_gives_the_same_text(form):
    assert TEXTS[form](build_graph(big())) == TEXTS[form](build_graph(big()))


def test_the_picture_does_not_depend_on_hash_seeds():
    """Sets of strings have another order in each process; the picture must not."""
    program = (
        "from graph.models import MODELS\n"
        "from gendsl.graph.build import build_graph\n"
        "from gendsl.inspection.diagram import plate_diagram_svg\n"
        "import hashlib\n"
        "text = ''.join(plate_diagram_svg(build_graph(m())) for m in MODELS.values())\n"
        "print(hashlib.sha256(text.encode()).hexdigest())\n"
    )
    path = [p for p in sys.path if p]
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONPATH": ":".join(path), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_crossed_plates_are_two_boxes_that_meet_in_what_they_share():
    layout = lay_out(build_graph(item_response_matrix()))
    person, item = sorted(layout.plates, key=lambda plate: plate.area.left)
    assert {person.plate, item.plate} == {"person", "item"}
    both = {
        n.name for n in layout.nodes if person.area.contains(n.area) and item.area.contains(n.area)
    }
    assert both == {"y"}
    assert person.area.overlaps(item.area)
    assert not person.area.contains(item.area)


def test_a_chain_of_crossing_plates_needs_a_box_each():
    plates = [p.plate for p in lay_out(build_graph(crossing_chain())).plates]
    assert sorted(plates) == ["movie", "tag", "user"]


def test_three_plates_that_all_cross_need_one_box_more():
    plates = [p.plate for p in lay_out(build_graph(three_crossing())).plates]
    assert len(plates) == 4
    assert set(plates) == {"a", "b", "c"}


def corrupted(change):
    return verify_layout(change(lay_out(build_graph(eight_schools()))))


def moved(layout, name, x, y):
    nodes = tuple(replace(n, x=x, y=y) if n.name == name else n for n in layout.nodes)
    return replace(layout, nodes=nodes)


def test_overlapping_nodes_are_found():
    found = corrupted(lambda it: moved(it, "mu", it.nodes[2].x, it.nodes[2].y))
    assert "nodes `mu` and `tau` overlap" in found


def test_nodes_in_the_wrong_place_are_found():
    found = corrupted(lambda it: moved(it, "theta", 30, 30))
    assert "node `theta` is not inside plate `school`" in found
    plate = lay_out(build_graph(eight_schools())).plates[0].area
    inside = (plate.left + 40, plate.bottom - 40)
    assert "node `mu` reaches into plate `school`" in corrupted(
        lambda it: moved(it, "mu", *inside)
    )


def test_labels_in_the_wrong_place_are_found():
    def on_theta(layout):
        theta = next(n for n in layout.nodes if n.name == "theta")
        return replace(layout, plates=(replace(layout.plates[0], label_area=theta.outline),))

    assert "label `school = 8` overlaps node `theta`" in corrupted(on_theta)

    def outside(layout):
        return replace(layout, plates=(replace(layout.plates[0], label_area=Rect(0, 0, 9, 9)),))

    assert "label `school = 8` is not inside its plate" in corrupted(outside)


def test_texts_that_are_too_wide_are_found():
    def narrow(layout):
        nodes = tuple(replace(n, shape=replace(n.shape, rx=15)) for n in layout.nodes)
        return replace(layout, nodes=nodes)

    assert "text `HalfCauchy` is wider than node `tau`" in corrupted(narrow)


def test_edges_through_nodes_are_found():
    def through(layout):
        theta = next(n for n in layout.nodes if n.name == "theta")
        curve = (((theta.x, theta.y),) * 4,)
        edges = tuple(replace(e, curve=curve) if e.tail == "sigma" else e for e in layout.edges)
        return replace(layout, edges=edges)

    assert "edge `sigma` -> `y` passes through node `theta`" in corrupted(through)


def test_dot_has_nested_clusters():
    text = to_dot(build_graph(MODELS["three_nested"]()))
    assert text.startswith('digraph "Schools" {')
    assert text.count("subgraph cluster_") == 3
    assert text.count("{") == text.count("}")
    assert '"county_of" -> "log_radon" [style="dashed"];' in to_dot(build_graph(radon()))


def test_mermaid_has_nested_boxes():
    text = to_mermaid(build_graph(MODELS["three_nested"]()))
    assert text.count("subgraph") == 3 == text.count("  end\n")
    assert "flowchart TD" in text
