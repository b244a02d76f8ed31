"""The worked examples of CONTRIBUTING.md, taken from the document and run.

The format is installed the way other people's packages bring theirs: a module and an entry point on the path.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

import llmstats
from llmstats import cli_run, questions
from llmstats.errors import InputError

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

#: The log that the document shows before the parser.
LOG = re.search(r"```text\n(toytrain.*?)```", TEXT, re.DOTALL)[1]


def example(name):
    """The fenced block of an example."""
    return re.search(rf"<!-- example: {name} -->\n```\w+\n(.*?)```\n<!-- end -->", TEXT, re.DOTALL)[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the format, installed as a distribution of its own."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "toylog.py").write_text(example("toylog"), encoding="utf-8")
    info = folder / "toylog-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toylog\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[llmstats.parsers]\ntoylog = toylog\n")
    return folder


def run(site, *words, cwd=ROOT):
    """Output of a Python program that sees the format."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_the_format_fulfils_the_contract(site):
    said = run(site, "pytest", "-q", "-p", "no:cacheprovider", "tests/test_contract.py", "-k", "toylog")
    assert int(re.search(r"(\d+) passed", said)[1]) >= 20, said
    assert "skipped" not in said


def test_the_format_is_listed(site):
    listed = json.loads(run(site, "llmstats", "formats", "--format", "json"))
    assert "toylog" in {row["format"] for row in listed}


def test_the_format_follows_the_house_rules(site):
    run(site, "ruff", "check", "--config", ROOT / "pyproject.toml", "--ignore", "RUF012", site / "toylog.py")
    run(site, "mypy", "--config-file", ROOT / "pyproject.toml", "--follow-imports", "silent", site / "toylog.py")


def test_the_log_in_the_document_is_read(site, tmp_path):
    folder = tmp_path / "night"
    folder.mkdir()
    (folder / "train.toy").write_text(LOG)
    report = json.loads(run(site, "llmstats", "ingest", "night", "--format", "json", cwd=tmp_path))
    assert report["formats"] == {"toylog": 1}
    assert report["runs"] == ["night/train"]
    db = llmstats.open(str(tmp_path / "llmstats.duckdb"))
    rows = db.query("SELECT step, value FROM points WHERE metric = 'loss' ORDER BY step").rows
    assert [tuple(row) for row in rows] == [(10, 2.3026), (20, 2.1972)]
    runs = db.query("SELECT run_id, framework, device, device_count FROM runs").rows
    assert [tuple(row) for row in runs] == [("night/train", "toytrain", "Toy X1", 8)]


def test_the_query_is_declared_as_it_says(tmp_path):
    (tmp_path / "peak_memory.sql").write_text(example("peak_memory"))
    (info,) = questions.own(str(tmp_path))
    assert info.title == "How much device memory did each run use at most?"
    assert [(p.name, p.type, p.default) for p in info.parameters] == [("at_least", "DOUBLE", "0")]


def test_the_query_answers(tmp_path):
    path = str(tmp_path / "x.duckdb")
    llmstats.open(path).ingest(ROOT / "examples" / "work_dirs")
    with duckdb.connect(path) as con:
        con.execute(example("peak_memory"))
        rows = con.execute("FROM peak_memory()").fetchall()
        assert len(rows) == 2
        assert all(run.startswith("deepseek_v2_lite_alpaca_a100/") for run, _, _ in rows)
        assert rows[0][2] == max(row[2] for row in rows) > 54000 * 2**20
        assert con.execute("FROM peak_memory(at_least := 1e15)").fetchall() == []


@pytest.fixture
def toytrain(tmp_path, monkeypatch):
    """The module as if it lay in ``runners/``, and a program of the trainer's name."""
    path = tmp_path / "toytrain.py"
    path.write_text(example("toytrain"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("llmstats.runners.toytrain", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    program = tmp_path / "bin" / "toytrain"
    program.parent.mkdir()
    (tmp_path / "log").write_text(LOG)
    program.write_text(f"#!/bin/sh\n[ $3 = 30 ] && cat '{tmp_path}/log'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    (tmp_path / "night.cfg").write_text("")
    return module.ToyTrain()


def test_the_runner_runs(toytrain, tmp_path):
    command = cli_run._command(toytrain)
    words = ["--config", str(tmp_path / "night.cfg"), "--work-dir", str(tmp_path / "w")]
    done = CliRunner().invoke(command, [*words, "--steps", "30"])
    assert done.exit_code == 0, done.output
    folder = Path(done.stdout.strip())
    assert folder.parent == tmp_path / "w" / "night"
    assert (folder / "train.toy").read_text() == LOG
    told = json.loads((folder / "run.json").read_text())
    assert (told["status"], told["facts"]["config"]) == ("completed", {"steps": 30})
    assert CliRunner().invoke(command, [*words, "--steps", "31"]).exit_code == 1
    assert isinstance(CliRunner().invoke(command, ["--config", "none"]).exception, InputError)


def test_the_runner_follows_the_house_rules(toytrain, tmp_path):
    config = ROOT / "pyproject.toml"
    run(tmp_path, "ruff", "check", "--config", config, tmp_path / "toytrain.py", cwd=tmp_path)
