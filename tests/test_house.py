"""Habits of the house that no linter knows."""

import ast
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = sorted(path for folder in ("llmstats", "parsers", "runners") for path in (ROOT / folder).rglob("*.py"))
EVERYTHING = PACKAGE + sorted(p for folder in ("tests", "benchmarks", "docs") for p in (ROOT / folder).glob("*.py"))
#: No static tool sees these two (they stand under llmstats only once installed): they are discovered.
DISCOVERED = ("llmstats.parsers", "llmstats.runners")
#: Folders that every tool sees; still the program finds them and names none (tests may).
FOUND = ("llmstats.answers", "llmstats.pictures")


def imported(path):
    """Full names of everything that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def function_lengths(path):
    """(lines, name) of every function, docstring and decorators left out."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            yield lines, f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"


def test_nobody_imports_a_parser_or_runner_by_name():
    names = {str(path.relative_to(ROOT)): list(imported(path)) for path in EVERYTHING}
    prefixes = tuple(f"{package}." for package in DISCOVERED)
    assert [(path, n) for path, found in names.items() for n in found if n.startswith(prefixes)] == []


def test_the_program_names_no_answer_and_no_picture():
    outside = [p for p in PACKAGE if p.parent.name not in ("answers", "pictures")]
    names = {str(path.relative_to(ROOT)): list(imported(path)) for path in outside}
    prefixes = tuple(f"{package}." for package in FOUND)
    assert [(path, n) for path, found in names.items() for n in found if n.startswith(prefixes)] == []


def test_functions_are_small():
    lengths = sorted(length for path in PACKAGE for length in function_lengths(path))
    lines = [n for n, _ in lengths]
    assert [f"{where}: {n} lines" for n, where in lengths if n > 60] == []
    assert statistics.median(lines) <= 8
    assert lines[int(len(lines) * 0.9)] <= 30


@pytest.mark.parametrize("folder", ["parsers", "runners"])
def test_formats_and_workloads_are_flat(folder):
    below = [p.name for p in (ROOT / folder).iterdir() if p.is_dir() and p.name != "__pycache__"]
    assert below == []
