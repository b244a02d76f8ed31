"""The command line, in process; one smoke test spawns it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from llmstats.cli import main

from .composed import Training


@pytest.fixture
def db(tmp_path: Path) -> str:
    Training(last=200).write(tmp_path / "work_dirs" / "toy")
    path = str(tmp_path / "x.duckdb")
    assert run("ingest", str(tmp_path / "work_dirs"), "--db", path).exit_code == 0
    return path


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def test_ingest_talks_on_stderr_and_answers_in_json(tmp_path: Path) -> None:
    Training(last=20).write(tmp_path / "toy")
    (tmp_path / "notes.txt").write_text("hello\n")
    db = str(tmp_path / "x.duckdb")
    first = run("ingest", str(tmp_path), "--db", db)
    assert (first.stdout, first.exit_code) == ("", 0)
    assert "4 files: 1 duplicate, 2 parsed, 1 unrecognised" in first.stderr
    second = json.loads(run("ingest", str(tmp_path), "--db", db, "--format", "json").stdout)
    assert second["unchanged"] == 4
    assert second["points"] == 0


def test_strict_turns_trouble_into_exit_code_1(tmp_path: Path) -> None:
    path = tmp_path / "toy" / "console.log"
    path.parent.mkdir()
    lines = Training(last=20).text_lines()
    path.write_text("".join(lines) + "2025/02/09 03:15:00 - mmengine - INFO - Iter(train) [broken\n")
    db = str(tmp_path / "x.duckdb")
    assert run("ingest", str(path), "--db", db).exit_code == 0
    path.write_text(path.read_text() + "2025/02/09 03:15:00 - mmengine - INFO - Iter(train) [broken too\n")
    result = run("ingest", str(path), "--db", db, "--strict")
    assert result.exit_code == 1
    assert "looked like data" in result.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["ingets", "x"], "did you mean 'ingest'"),
        (["query", "convergense"], "did you mean 'convergence'"),
        (["query", "convergence", "--treshold", "1"], "did you mean 'threshold'"),
        (["query", "convergence", "--threshold", "low"], "low"),
        (["query", "SELECT * FROM pionts"], "points"),
        (["query", "DELETE FROM source_rows"], ""),
        (["query", "SELECT * FROM read_text('/etc/hostname')"], ""),
        (["show", "toy/20250209_03150"], "did you mean 'toy/20250209_031500'"),
        (["show", "toy/20250209_031500", "--metric", "los"], "did you mean 'loss'"),
        (["show", "toy/20250209_031500", "--step", "99999"], "between 1 and 200"),
        (["forget", "nothing/there"], "nothing/there"),
        (["plot", "convergense", "-o", "x.png"], "did you mean 'convergence'"),
        (["plot", "convergence", "-o", "x.docx"], ".png"),
    ],
)
def test_mistakes_are_answered_without_a_traceback(db: str, words: list[str], says: str) -> None:
    result = run(*words, "--db", db) if words[0] != "ingets" else run(*words)
    assert result.exit_code == 2, result.output
    assert says in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_missing_store_and_foreign_file(tmp_path: Path) -> None:
    result = run("runs", "--db", str(tmp_path / "none.duckdb"))
    assert result.exit_code == 2
    assert "llmstats ingest" in result.stderr
    assert not (tmp_path / "none.duckdb").exists()
    (tmp_path / "text.duckdb").write_text("I am no database\n" * 1000)
    result = run("runs", "--db", str(tmp_path / "text.duckdb"))
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_wrong_path_says_what_is_near(db: str, tmp_path: Path) -> None:
    result = run("ingest", str(tmp_path / "workdirs"), "--db", db)
    assert result.exit_code == 2
    assert "work_dirs" in result.stderr


@pytest.mark.parametrize("listing", [["runs"], ["sources"], ["query", "convergence"], ["query", "throughput"]])
@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown", "parquet"])
def test_every_listing_speaks_every_format(db: str, tmp_path: Path, listing: list[str], form: str) -> None:
    target = tmp_path / f"out.{form}"
    result = run(*listing, "--db", db, "--format", form, "-o", str(target))
    assert result.exit_code == 0, result.output
    data = target.read_bytes()
    if form == "json":
        assert isinstance(json.loads(data), list)
    elif form == "csv":
        assert len(list(csv.reader(io.StringIO(data.decode())))) >= 2
    elif form == "parquet":
        assert data[:4] == b"PAR1"
    else:
        assert b"031500" in data  # a long path is shortened in its middle


def test_show_walks_a_number_back_to_its_line(db: str) -> None:
    result = run("show", "toy/20250209_031500", "--metric", "loss", "--step", "7", "--db", db, "--format", "json")
    (row,) = json.loads(result.stdout)
    value = Training(last=200).records[6]["loss"]
    assert row["value"] == value
    path, _, line = row["place"].rpartition(":")
    assert Path(path).read_text().splitlines()[int(line) - 1] == row["line"]
    assert repr(value) in row["line"]


def test_verify_sees_what_changed(db: str, tmp_path: Path) -> None:
    assert run("verify", "--db", db).exit_code == 0
    path = Training().paths(tmp_path / "work_dirs" / "toy")["text"]
    path.write_text(path.read_text().replace("loss: 1.", "loss: 3."))
    result = run("verify", "--db", db, "--format", "json")
    assert result.exit_code == 1
    assert {r["verdict"] for r in json.loads(result.stdout)} == {"same", "changed"}


def test_verify_of_a_path_that_is_not_in_the_store_is_a_mistake(db: str, tmp_path: Path) -> None:
    assert run("verify", str(tmp_path / "work_dirs"), "--db", db).exit_code == 0
    result = run("verify", str(tmp_path / "work_dirs"), str(tmp_path / "wrok_dirs"), "--db", db)
    assert (result.exit_code, "wrok_dirs" in result.stderr, "work_dirs" in result.stderr) == (2, True, False)


def test_query_without_a_name_lists_the_queries() -> None:
    result = run("query", "--format", "json")
    names = {r["query"] for r in json.loads(result.stdout)}
    assert {"convergence", "throughput", "throughput_trend", "serving", "inference"} <= names


def test_formats_and_metrics_are_listed() -> None:
    assert "mmengine_log" in run("formats").stdout
    assert "learning_rate" in run("metrics").stdout


def test_a_picture_is_drawn(db: str, tmp_path: Path) -> None:
    result = run("plot", "convergence", "--db", db, "-o", str(tmp_path / "c.png"))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_the_program_starts_lean(tmp_path: Path) -> None:
    heavy = "('torch', 'transformers', 'matplotlib', 'pandas', 'polars', 'duckdb', 'pyarrow', 'numpy')"
    code = (
        "import sys; from llmstats.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit as e: assert not e.code\n"
        f"print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stderr.strip() == "[]"
    assert "ingest" in done.stdout


def test_unchanged_ingest_imports_no_polars(db: str, tmp_path: Path) -> None:
    code = (
        "import sys; from llmstats.cli import main\n"
        f"try: main(['ingest', {str(tmp_path / 'work_dirs')!r}, '--db', {db!r}])\n"
        "except SystemExit as e: assert not e.code\n"
        "print([m for m in ('polars', 'pandas', 'pyarrow', 'matplotlib') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "3 unchanged" in done.stderr
    assert done.stderr.strip().endswith("[]")


def test_columns_are_chosen_on_the_command_line(db: str) -> None:
    assert (
        run("runs", "--db", db, "--format", "csv", "--columns", "last_step, kind").stdout
        == "last_step,kind\n200,training\n"
    )
    wrong = run("query", "convergence", "--db", db, "--columns", "experiment,verdickt")
    assert (wrong.exit_code, "did you mean 'verdict'" in wrong.stderr) == (2, True)
