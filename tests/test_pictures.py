"""All pictures at once: each drawn from the examples by its documented command, the same everywhere, and shown."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from llmstats.plots import pictures

DOCS = Path(__file__).parents[1] / "docs"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_pictures", DOCS / "pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = load()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def drawn(home: Path) -> dict[str, bytes]:
    """What the commands of docs/pictures.md draw."""
    return dict(script.draw(home))


def test_every_picture_is_in_the_documents_as_its_command_draws_it(drawn: dict[str, bytes]) -> None:
    assert set(drawn) == set(pictures())
    assert script.stale(drawn) == []


def test_the_pictures_in_the_documents_are_small() -> None:
    assert [path.name for path in (DOCS / "pictures").iterdir() if path.stat().st_size > 150_000] == []


def test_another_picture_is_stale(drawn: dict[str, bytes]) -> None:
    name = "convergence"
    image = Image.open(io.BytesIO(drawn[name])).convert("RGB")
    for change in ((300, 100, 330, 130), (0, 0, 40, 20)):
        other = image.copy()
        other.paste((0, 0, 0), change)
        buffer = io.BytesIO()
        other.save(buffer, "PNG")
        assert script.stale({**drawn, name: buffer.getvalue()}) == [f"pictures/{name}.png"]
    assert script.stale({k: v for k, v in drawn.items() if k != name}) == [f"pictures/{name}.png"]


_DRAW = """
import shlex, sys
from llmstats.cli import main
for command in sys.argv[1:]:
    main(shlex.split(command), standalone_mode=False)
"""


@pytest.fixture(scope="module")
def twice(home: Path, drawn: dict[str, bytes]) -> list[Path]:
    """Folders of SVG files, each drawn by a process that orders its sets in its own way."""
    folders = []
    for seed in ("1", "4242"):
        folders.append(home / f"svg_{seed}")
        folders[-1].mkdir()
        commands = [
            script.command(name).removeprefix("llmstats ").replace(f"{name}.png", f"svg_{seed}/{name}.svg")
            for name in drawn
        ]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", _DRAW, *commands], cwd=home, env=environment, check=True)
    return folders


@pytest.mark.parametrize("name", sorted(pictures()))
def test_two_processes_draw_the_same_svg(name: str, twice: list[Path]) -> None:
    one, other = ((folder / f"{name}.svg").read_bytes() for folder in twice)
    assert one == other
    assert one.startswith(b"<?xml")


@pytest.mark.parametrize("name", sorted(pictures()))
def test_a_picture_says_how_many_what_they_mean_and_how_to_ask(
    name: str, home: Path, drawn: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert name in drawn
    monkeypatch.chdir(home)
    title, said = sheet_text(name)
    assert title.endswith("?")
    assert re.search(r"\d[\d,]* (logged|steady|runs?|points|series)|\bn \d|\bn = \d|values: one per run", said), "n"
    assert "definition" in said or re.search(r"\w+@\w+", said), "definition"
    assert "llmstats query" in said or "FROM " in said, "the same in numbers"


def sheet_text(name: str) -> tuple[str, str]:
    """The title of a picture, and all that stands on its sheet."""
    import matplotlib as mpl

    from llmstats import plot_style
    from llmstats.plots import parameters_of_picture
    from llmstats.store import Store

    words = script.ARGUMENTS.get(name, "").split()
    given = dict(zip((w[2:] for w in words[::2]), words[1::2], strict=True))
    store = given.pop("db", "llmstats.duckdb")
    assert set(given) <= set(parameters_of_picture(pictures()[name]))
    with Store(store).reading() as con:
        data = pictures()[name].fetch(con, given)
    with plot_style.style():
        figure = pictures()[name].draw(data)
    for axes in figure.axes:
        if axes.get_visible() and axes.lines and axes.axison:
            assert axes.get_xlabel() or any(a.get_xlabel() for a in figure.axes), "an axis of x has a name"
    return figure.texts[0].get_text(), "\n".join(t.get_text() for t in figure.findobj(mpl.text.Text) if t.get_text())
