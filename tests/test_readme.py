"""What README.md shows is what happens."""

import importlib.util
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def session():
    spec = importlib.util.spec_from_file_location("session", ROOT / "docs" / "session.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_session_is_what_the_commands_print(session):
    assert session.same(TEXT, session.renewed(TEXT)), "run: .venv/bin/python docs/session.py"


def test_the_session_is_there(session):
    assert all(f"$ {command}\n" in TEXT for command in session.COMMANDS)


def test_the_library_example_runs(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "examples" / "work_dirs", tmp_path / "examples" / "work_dirs")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1], names)  # noqa: S102
    assert sorted(names["verdicts"]["verdict"]) == ["converged", "not converged"]
    assert len(names["loss"]) == 600
    assert (tmp_path / "convergence.png").stat().st_size > 10_000


def test_targets_of_make_that_it_names_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^    |`)make (\w+)", TEXT, re.MULTILINE))
    assert named
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in named)


def test_links_lead_somewhere():
    targets = re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)", TEXT)
    assert [t for t in targets if "://" not in t and not (ROOT / t).exists()] == []
