"""Questions that a user brings, and those that are answered in Python."""

import inspect

import pytest
from click.testing import CliRunner

import llmstats
from llmstats import questions
from llmstats.cli import main
from llmstats.errors import InputError, QueryError
from llmstats.records import Run

from .store_deltas import Source, fresh_store, points

LOSSES = """\
-- Which runs went below a loss?
--
-- One row per run.
--
-- parameter: at_most DOUBLE = 1.5 -- the loss
CREATE OR REPLACE MACRO losses(at_most DOUBLE := 1.5) AS TABLE
SELECT p.run_id, min(p.value) AS low FROM points p WHERE p.value <= at_most GROUP BY p.run_id;
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("questions") / "s.duckdb"
    run = Run("toy/1", "/w/toy/1", kind="training", experiment="toy")
    log = Source("/w/a.log").replace(run, points("toy/1", range(1, 4), {"loss": [2.0, 1.0, 0.5]}, clock=True))
    fresh_store(path).commit([log])
    return str(path)


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "losses.sql").write_text(LOSSES)
    (tmp_path / "how_many.sql").write_text("-- How many runs are there?\nSELECT count(*) AS n FROM runs\n")
    (tmp_path / "notes.txt").write_text("no query")
    return tmp_path


def test_own_queries_join_the_named_ones(store, mine):
    db = llmstats.open(store, queries=str(mine))
    assert db.query("losses").rows == [("toy/1", 0.5)]
    assert db.query("losses", at_most=0.1).rows == []
    assert db.query("how_many").rows == [(1,)]
    assert db.query("SELECT low * 2 AS twice FROM losses(at_most := 1)").rows == [(1.0,)]
    assert db.query("convergence", threshold=1).rows


def test_own_queries_leave_nothing_in_the_store(store, mine):
    llmstats.open(store, queries=str(mine)).query("losses")
    with pytest.raises(QueryError, match="losses"):
        llmstats.open(store).query("FROM losses()")


def test_own_queries_are_listed_and_explained(store, mine, monkeypatch):
    listed = CliRunner().invoke(main, ["query", "--queries", str(mine), "--format", "csv"])
    assert "losses,Which runs went below a loss?,--at_most 1.5" in listed.output
    assert "how_many,How many runs are there?," in listed.output
    monkeypatch.setenv("LLMSTATS_QUERIES", str(mine))
    told = CliRunner().invoke(main, ["query", "losses", "--help"]).output
    assert "One row per run." in told
    assert "--at-most DOUBLE (default 1.5)\n    the loss" in told
    assert CliRunner().invoke(main, ["query", "--help"]).output.startswith("Usage: main query [OPTIONS] NAME|SQL")
    asked = CliRunner().invoke(main, ["query", "losses", "--at-most", "0.6", "--db", store, "--format", "csv"])
    assert asked.output == "run_id,low\ntoy/1,0.5\n"


def test_a_broken_query_of_a_user_stops_only_their_own(store, mine, monkeypatch):
    (mine / "broken.sql").write_text("SELEC 1")
    monkeypatch.setenv("LLMSTATS_QUERIES", str(mine))
    asked = CliRunner().invoke(main, ["query", "run_list", "--db", store, "--columns", "run_id", "--format", "csv"])
    assert asked.output == "run_id\ntoy/1\n"
    assert llmstats.open(store, queries=str(mine)).query("runs").rows
    for question in ("losses", "FROM losses()"):
        with pytest.raises(InputError, match=r"broken\.sql"):
            llmstats.open(store, queries=str(mine)).query(question)


@pytest.mark.parametrize(("words", "shown"), [([], "run_id\n"), (["--ended"], "run_id\ntoy/1\n")])
def test_what_is_true_or_false_stands_alone(store, tmp_path, words, shown):
    parameter = "-- parameter: ended BOOLEAN = false -- those that ended"
    macro = "CREATE MACRO of_mine(ended BOOLEAN := false) AS TABLE SELECT run_id FROM runs WHERE ended"
    (tmp_path / "of_mine.sql").write_text(f"-- Which runs ended?\n--\n{parameter}\n{macro}")
    command = ["query", "of_mine", *words, "--db", store, "--format", "csv"]
    assert CliRunner().invoke(main, [*command, "--queries", str(tmp_path)]).output == shown


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.sql", "SELECT 1; SELECT 2", "one statement is needed; there are 2"),
        ("a.sql", "", "one statement is needed; there are 0"),
        ("a.sql", "DROP TABLE meta", "write CREATE MACRO a"),
        ("a.sql", "CREATE TABLE a AS SELECT 1", "write CREATE MACRO a"),
        ("a.sql", "SELEC 1", "syntax error"),
        ("a-b.sql", "SELECT 1", "letters, digits and underscores"),
        ("convergence.sql", "SELECT 1", "a query named 'convergence' is there already"),
        ("runs.sql", "SELECT 1", "a query named 'runs' is there already"),
        ("a.sql", b"SELECT '\xff'", "no UTF-8 text"),
    ],
)
def test_a_file_that_is_no_query_is_named(tmp_path, name, text, says):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as why:
        questions.own(str(tmp_path))
    assert says in str(why.value)
    assert str(tmp_path) in str(why.value)


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(InputError, match=r"cannot read queries from .*nowhere"):
        questions.own(str(tmp_path / "nowhere"))


def test_own_queries_read_no_files(store, tmp_path):
    (tmp_path / "spy.sql").write_text("SELECT * FROM read_csv('/etc/passwd')")
    with pytest.raises(QueryError, match=r"one of your own queries: .*disabled"):
        llmstats.open(store, queries=str(tmp_path)).query("spy")


# --------------------------------------------------------------------------- answers in Python

ANSWERS = [q for q in questions.list_queries() if q.answer]


@pytest.mark.parametrize("info", ANSWERS, ids=lambda q: q.name)
def test_the_docstring_says_what_the_function_takes(info):
    taken = list(inspect.signature(info.answer).parameters)[1:]
    assert taken in ([p.name for p in info.parameters], ["given"])  # ``**given`` takes what is declared
    assert info.title.endswith("?")
    assert info.description
    assert all(p.text for p in info.parameters)
    assert {p.name: p.typed(p.default.strip("'")) for p in info.parameters} == {
        p.name: p.value for p in info.parameters
    }


@pytest.mark.parametrize("info", ANSWERS, ids=lambda q: q.name)
def test_sql_cannot_call_an_answer_and_says_so(store, info):
    with pytest.raises(QueryError, match=f"llmstats query {info.name}"):
        llmstats.open(store).query(f"FROM {info.name}()")


def test_a_default_of_null_is_none():
    parameter = questions.Parameter("limit", "DOUBLE", "NULL", "none by default")
    assert (parameter.value, parameter.typed("2"), parameter.typed("NULL")) == (None, 2.0, None)


def test_a_number_outside_the_range_of_its_parameter_is_refused():
    (share, count, free) = questions._described("q", [
        "Does it?",
        "parameter: share DOUBLE = 0.7 in 0..1 -- a share",
        "parameter: count BIGINT = -1 in -1.. -- how many",
        "parameter: free DOUBLE = 0.5 -- any, in 1..2 for most",
    ]).parameters  # fmt: skip
    assert (share.default, share.typed("0"), share.typed("1"), count.typed("-1"), free.typed("-9")) == (
        "0.7",
        0,
        1,
        -1,
        -9,
    )
    with pytest.raises(QueryError, match=r"--share '1.01': a number is needed, from 0 to 1"):
        share.typed("1.01")
    with pytest.raises(QueryError, match=r"--count '-2': a whole number is needed, at least -1"):
        count.typed("-2")
    given = {"drop": 2.0, "warmup": -1.0, "every": 0, "neighbours": 0, "smooth": 0, "sustain": -5, "z": -1.0}
    known = {p.name: p for q in questions.list_queries() for p in q.parameters if p.least is not None}
    for name, value in given.items():
        with pytest.raises(QueryError, match="is needed"):
            known[name].typed(str(value))
