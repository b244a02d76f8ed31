"""What tests of runners share: modules by name (nobody imports a runner), and the command line in process."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from llmstats.cli import main


def module(name: str) -> Any:
    """A module of the runners' package; an underscore marks what they share."""
    return importlib.import_module(f"llmstats.runners.{name}")


def run(*words: object) -> Result:
    """``llmstats run WORDS…``"""
    return CliRunner().invoke(main, ["run", *(str(word) for word in words)])


def folder(result: Result) -> Path:
    """The work directory that a run printed."""
    return Path(result.stdout.strip().splitlines()[-1])


def told(directory: Path) -> dict[str, Any]:
    """run.json of a work directory."""
    document: dict[str, Any] = json.loads((directory / "run.json").read_text())
    return document
