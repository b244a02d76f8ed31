"""The wheel in an empty environment with the newest DuckDB 2.x, away from the checkout.

The environment is kept under ``build/`` and made anew when pyproject.toml or constraints.txt change; the
wheel is built and installed every time.  Tests of store and queries run there a second time, and the main job gives
the answers that it gives in the checkout.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import duckdb
import pytest

pytestmark = pytest.mark.wheel

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples" / "work_dirs"
#: What runs again on the newest DuckDB; files that need torch or the checkout itself are not among them.
AGAIN = ("test_store.py", "test_store_runs.py", "test_query.py", "test_queries_sql.py", "test_queries_throughput.py")
PIP = ("-m", "pip", "install", "--quiet", "--prefer-binary", "--disable-pip-version-check")


def run(*command, cwd, **environment):
    """Output of a command that must succeed; nothing of the surrounding Python environment leaks into it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST", "LLMSTATS", "COV"))}
    done = subprocess.run(
        [str(c) for c in command],
        cwd=cwd,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the sdist, built from the checkout."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    assert [p.suffix for p in sorted(out.iterdir())] == [".whl", ".gz"]
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def loose(tmp_path_factory):
    """The constraints without DuckDB's."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    path = tmp_path_factory.mktemp("constraints") / "constraints.txt"
    path.write_text("\n".join(line for line in lines if not line.startswith("duckdb==")))
    return path


@pytest.fixture(scope="module")
def environment(wheel, loose):
    """An environment that holds the wheel, what its metadata ask for, and nothing else."""
    made_from = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
    folder = ROOT / "build" / "wheel" / hashlib.sha256(made_from).hexdigest()[:12]
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        run(python, *PIP, "--force-reinstall", "--no-deps", wheel, cwd=folder)
    else:
        shutil.rmtree(folder.parent, ignore_errors=True)
        run(sys.executable, "-m", "venv", folder, cwd=ROOT)
        run(python, *PIP, "-c", loose, wheel, "duckdb>=2,<3", cwd=folder)
        (folder / "complete").touch()
    return folder


@pytest.fixture(scope="module")
def pytest_beside(environment, loose):
    """A folder with pytest and what the tests need for that environment, outside of it."""
    folder = environment / "beside"
    if not (folder / "psutil").exists():
        run(
            environment / "bin" / "python",
            *PIP,
            "-c",
            loose,
            "--target",
            folder,
            "pytest",
            "hypothesis",
            "psutil",
            cwd=environment,
        )
    return folder


@pytest.fixture
def away(tmp_path):
    """A directory outside the checkout with a copy of the examples."""
    shutil.copytree(EXAMPLES, tmp_path / "work_dirs")
    return tmp_path


def ask(program, store, *words, cwd):
    """Rows of a listing or query of the program in this environment.

    Numbers to nine digits: the order in which threads add up is DuckDB's own business.
    """
    text = run(program, *words, "--db", store, "--format", "json", cwd=cwd)
    return json.loads(text, parse_float=lambda number: float(f"{float(number):.9g}"))


def here():
    """The program of the checkout's environment."""
    return Path(sys.executable).with_name("llmstats")


def test_the_wheel_holds_one_name_and_all_data(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0].split("-")[0] for name in names} == {"llmstats"}
    for folder in ("parsers", "runners", "schemas"):
        files = [p for p in (ROOT / folder).rglob("*") if p.suffix in {".py", ".sql", ".csv", ".toml"}]
        assert {f"llmstats/{p.relative_to(ROOT)}" for p in files} <= names
    assert "llmstats/py.typed" in names


def test_the_two_environments_differ_in_duckdb(environment, tmp_path):
    there = run(environment / "bin" / "python", "-c", "import duckdb; print(duckdb.__version__)", cwd=tmp_path)
    assert there.startswith("2.")
    assert duckdb.__version__.startswith("1.5.")


def test_the_installed_package_is_the_wheels(environment, away):
    script = "import llmstats, llmstats.parsers; print(llmstats.__file__); print(llmstats.parsers.__file__)"
    for line in run(environment / "bin" / "python", "-c", script, cwd=away).splitlines():
        assert Path(line).is_relative_to(environment)


def test_main_job_gives_the_answers_of_the_checkout(environment, away):
    there = environment / "bin" / "llmstats"
    for program, store in ((there, "there.duckdb"), (here(), "here.duckdb")):
        run(program, "ingest", "work_dirs", "--db", store, cwd=away)
    for query in ("convergence", "throughput", "serving", "inference"):
        answer = ask(there, "there.duckdb", "query", query, cwd=away)
        assert answer
        assert answer == ask(here(), "here.duckdb", "query", query, cwd=away)
    run(there, "plot", "convergence", "-o", "picture.png", "--db", "there.duckdb", cwd=away)
    assert (away / "picture.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("first_is_older", [True, False], ids=["1.5 then 2.x", "2.x then 1.5"])
def test_a_store_crosses_versions(environment, away, first_is_older):
    there = environment / "bin" / "llmstats"
    first, second = (here(), there) if first_is_older else (there, here())
    parts = sorted((away / "work_dirs").iterdir())
    assert len(parts) > 1
    run(first, "ingest", *parts[:1], "--db", "shared.duckdb", cwd=away)
    run(second, "ingest", *parts, "--db", "shared.duckdb", cwd=away)
    run(first, "ingest", *parts, "--db", "whole.duckdb", cwd=away)
    for query in ("convergence", "throughput", "serving", "inference"):
        expected = ask(first, "whole.duckdb", "query", query, cwd=away)
        assert ask(first, "shared.duckdb", "query", query, cwd=away) == expected
        assert ask(second, "shared.duckdb", "query", query, cwd=away) == expected
    run(first, "verify", "--db", "shared.duckdb", cwd=away)


def test_store_and_queries_again_on_the_newest_duckdb(environment, pytest_beside, tmp_path):
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    files = sorted(p.name for pattern in AGAIN for p in (tmp_path / "tests").glob(pattern))
    assert files
    said = run(
        environment / "bin" / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *files,
        cwd=tmp_path / "tests", PYTHONPATH=str(pytest_beside),
    )  # fmt: skip
    assert " passed" in said.splitlines()[-1]
