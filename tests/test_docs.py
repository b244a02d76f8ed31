"""Generated documents say what the program says now."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_regions_are_fresh(generate):
    stale = [str(path.relative_to(ROOT)) for path in generate.stale()]
    assert stale == [], "run: make docs"


def test_every_region_is_shown(generate):
    text = "".join(path.read_text(encoding="utf-8") for path in generate.documents())
    assert {match[2] for match in generate._REGION.finditer(text)} == set(generate.REGIONS)


def test_every_region_has_content(generate):
    empty = [name for name, part in generate.REGIONS.items() if len(part().splitlines()) < 3]
    assert empty == []


def test_a_stale_region_is_rewritten_and_the_rest_left_alone(generate):
    fresh = f"before\n<!-- generated: formats -->\n{generate.formats()}\n<!-- end -->\nafter | here\n"
    stale = "before\n<!-- generated: formats -->\nold\n<!-- end -->\nafter | here\n"
    assert generate.renewed(stale) == fresh
    assert generate.renewed(fresh) == fresh


def test_a_region_that_nobody_generates_is_an_error(generate):
    with pytest.raises(KeyError, match="formatz"):
        generate.renewed("<!-- generated: formatz -->\n<!-- end -->\n")


def test_a_cell_cannot_break_its_table(generate):
    assert generate._cell("a | b\n c") == "a \\| b c"
