"""Named queries as a catalogue, parameters, and what SQL of a user may do."""

import math
import os
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

import llmstats
from llmstats import query, questions
from llmstats.errors import NotFound, QueryError
from llmstats.query import Answer
from llmstats.questions import Parameter, list_queries, macros
from llmstats.records import Run
from llmstats.store_types import REPLACE, Delta

from .store_deltas import Source, fresh_store, points

LOSS = [2.0, 1.0, math.nan, math.inf, -math.inf, 0.5]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = fresh_store(tmp_path_factory.mktemp("query") / "s.duckdb")
    run = Run("toy/1", "/w/toy/1", kind="training", experiment="toy", config={"a": [1, None]})
    store.commit([Source("/w/a.log").replace(run, points("toy/1", range(1, 7), {"loss": LOSS}, clock=True))])
    return store


@pytest.fixture
def con(store):
    with store.reading() as con:
        yield con


def rows(con, question, **parameters):
    return query.run(con, question, parameters).rows


# --------------------------------------------------------------------------- the catalogue


def test_queries_are_described_by_their_headers():
    found = {q.name: q for q in list_queries()}
    assert {"convergence", "serving", "inference", "run_list", "source_health"} <= set(found)
    assert not [name for name in found if name.startswith("_")]
    threshold = next(p for p in found["convergence"].parameters if p.name == "threshold")
    assert threshold == Parameter("threshold", "DOUBLE", "0.0013", "the loss to get below")
    for info in found.values():
        assert info.title.endswith("?"), info.name
        assert "parameter:" not in info.description


def test_headers_say_what_the_macros_take(con):
    """Names, types and defaults in the comments are those of the macro itself."""
    made = {
        name: list(zip(names, types, strict=True))
        for name, names, types in con.execute(
            "SELECT function_name, parameters, parameter_types FROM duckdb_functions()"
            " WHERE function_type = 'table_macro' AND NOT internal"
        ).fetchall()
    }
    for info in macros():
        assert [(p.name, p.type) for p in info.parameters] == made[info.name], info.name
        macro = info.sql[info.sql.index("CREATE OR REPLACE MACRO") :]
        for p in info.parameters:
            assert f"{p.name} {p.type} := {p.default}" in macro, (info.name, p.name)


@pytest.mark.parametrize("info", list_queries(), ids=lambda info: info.name)
def test_defaults_written_out_change_nothing(con, info):
    spelled = {p.name: p.default.strip("'") for p in info.parameters}
    assert _told(con, info.name, **spelled) == _told(con, info.name)


def _told(con, name, **given):
    """Rows, or what a question asks for that has no default."""
    try:
        return repr(rows(con, name, **given))
    except QueryError as why:
        return str(why)


def test_install_is_idempotent_and_finds_its_order(con):
    before = con.execute("SELECT count(*) FROM duckdb_functions() WHERE NOT internal").fetchall()
    with duckdb.connect() as other, pytest.raises(duckdb.CatalogException):
        questions.install(other)  # a body is bound when its macro is created: there are no tables here
    assert before[0][0] > len(macros())


# --------------------------------------------------------------------------- names and parameters


@pytest.mark.parametrize(
    ("question", "parameters", "says"),
    [
        ("convergense", {}, "no query named 'convergense'; did you mean 'convergence'"),
        ("run-list", {}, "did you mean 'run_list'"),
        ("", {}, "no query named ''"),
        ("convergence", {"treshold": "1"}, "no parameter of convergence named 'treshold'; did you mean 'threshold'?"),
        ("convergence", {"pick": "toy/2"}, "no experiment or run named 'toy/2'; did you mean 'toy/1'"),
        ("serving", {"pick": "tou"}, "did you mean 'toy'"),
    ],
)
def test_wrong_names_say_what_was_near(con, question, parameters, says):
    with pytest.raises(NotFound) as why:
        rows(con, question, **parameters)
    assert says in str(why.value)


def test_a_pick_with_nothing_to_show_is_no_mistake(con):
    assert rows(con, "serving", pick="toy") == []
    assert rows(con, "serving", pick="nothing*") == []


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("threshold", "low", "--threshold 'low': a number is needed (the loss to get below; default 0.0013)"),
        ("threshold", "nan", "a number is needed"),
        ("threshold", "", "a number is needed"),
        ("min_steps", "1.5", "--min-steps '1.5': a whole number is needed"),
        ("min_steps", "9" * 30, "a whole number is needed"),
    ],
)
def test_wrong_types_are_explained(con, name, text, says):
    with pytest.raises(QueryError) as why:
        rows(con, "convergence", **{name: text})
    assert says in str(why.value)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("DOUBLE", "1e-3", 0.001), ("DOUBLE", "-inf", -math.inf), ("BIGINT", " 12 ", 12), ("VARCHAR", "1", "1"),
        ("BOOLEAN", "Yes", True), ("BOOLEAN", "0", False),
    ],
)  # fmt: skip
def test_parameters_are_typed(kind, text, value):
    assert Parameter("p", kind, "", "").typed(text) == value


def test_every_type_in_use_is_read():
    assert {p.type for q in list_queries() for p in q.parameters} <= set(questions._READERS)
    with pytest.raises(QueryError, match="true or false"):
        Parameter("p", "BOOLEAN", "false", "whether").typed("maybe")


@pytest.mark.parametrize("text", ["it's", "'; DROP TABLE run_rows; --", "a\\'b", "", "损失", "x" * 10_000, "%_"])
def test_a_parameter_is_a_value_whatever_it_says(con, text):
    ((reason,),) = query.run(con, "convergence", {"series": text}).pl().select("reason").rows()
    assert reason == f"no values of {text} here"


def test_infinite_thresholds_are_passed(con):
    answer = query.run(con, "convergence", {"threshold": "inf", "min_steps": "0", "smooth": "1"})
    assert answer.rows[0][answer.columns.index("first_touch")] == 1


# --------------------------------------------------------------------------- SQL that reads


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM points",
        "FROM runs SELECT run_id",
        "from points limit 1;",
        "WITH a AS (SELECT 1 AS b) SELECT b FROM a",
        "DESCRIBE runs",
        "SHOW TABLES",
        "SUMMARIZE series",
        "VALUES (1), (2)",
        "TABLE runs",
        "PIVOT (SELECT metric, value FROM points) ON metric USING count(value)",
        "FROM (PIVOT (SELECT metric, value FROM points) ON metric USING count(value))",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE SELECT 1",
        "EXPLAIN (ANALYZE, FORMAT json) SELECT 1",
        "-- a remark; of mine\n/* and\nanother; */ (SELECT 1)",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "SELECT ';' AS semicolon",
        "FROM convergence(threshold := 0.1)",
        "\n\t SELECT\n1\n",
        "SELECT(1)",
    ],
)
def test_reading_is_allowed(con, sql):
    assert rows(con, sql)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM source_rows",
        "INSERT INTO meta VALUES ('a', 'b')",
        "WITH a AS (SELECT 'k', 'v') INSERT INTO meta SELECT * FROM a",
        "UPDATE run_rows SET run_id = 'x'",
        "DROP TABLE run_rows",
        "CREATE TABLE t AS SELECT 1",
        "CREATE TEMP TABLE t AS SELECT 1",
        "CREATE TEMP MACRO m() AS 1",
        "CREATE SECRET (TYPE s3)",
        "ALTER TABLE run_rows RENAME TO x",
        "COPY runs TO '{tmp}/out.csv'",
        "COPY run_rows FROM '/etc/passwd'",
        "EXPORT DATABASE '{tmp}/out'",
        "EXPLAIN ANALYZE COPY runs TO '{tmp}/out.csv'",
        "EXPLAIN ANALYZE CREATE TEMP TABLE t AS SELECT 1",
        "EXPLAIN EXPLAIN DELETE FROM run_rows",
        "ATTACH '{tmp}/out.duckdb' AS o",
        "ATTACH ':memory:' AS o",
        "DETACH store",
        "USE memory",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET memory_limit = '100GB'",
        "RESET memory_limit",
        "SET enable_external_access = true",
        "PRAGMA memory_limit='100GB'",
        "CALL pragma_version()",
        "CHECKPOINT store",
        "BEGIN TRANSACTION",
        "PREPARE p AS SELECT 1",
        "VACUUM run_rows",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE run_rows",
        "PIVOT runs ON kind USING count(*); CREATE TEMP TABLE t AS SELECT 1",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "FROM query('COPY runs TO ''{tmp}/out.csv''')",
        "-- nothing here",
        "; ;",
        "hello there",
        "SELECT $1 AS a",
        "SELECT ? AS a",
    ],
)
def test_everything_else_is_refused(store, tmp_path, sql):
    size = os.path.getsize(store.path)
    with store.reading() as con, pytest.raises(QueryError):
        rows(con, sql.format(tmp=tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert os.path.getsize(store.path) == size
    with store.reading() as con:
        assert rows(con, "SELECT count(*) FROM runs") == [(1,)]


def test_python_variables_are_no_tables(con):
    runs_here = Answer(["a"], [(1,)]).arrow()
    assert runs_here.num_rows == 1
    with pytest.raises(QueryError):
        rows(con, "SELECT * FROM runs_here")


def test_sql_takes_no_parameters(con):
    with pytest.raises(QueryError, match="threshold"):
        rows(con, "SELECT 1", threshold="1")


def test_a_guarded_connection_answers_on(con):
    assert rows(con, "SELECT 1") == rows(con, "SELECT 1") == [(1,)]
    assert len(rows(con, "convergence")) == 1
    query.guard(con)


def test_the_guard_never_loosens(con):
    con.execute("SET memory_limit = '300MiB'")
    con.execute("SET threads = 1")
    asked = "SELECT current_setting('memory_limit'), current_setting('threads'), current_setting('temp_directory')"
    ((memory, threads, spill),) = rows(con, asked)
    assert (query._bytes(memory), threads, spill) == (300 * 2**20, 1, "")


def test_the_guard_bounds_a_large_machine(con):
    con.execute("SET memory_limit = '900GiB'")
    con.execute("SET threads = 64")
    ((memory, threads),) = rows(con, "SELECT current_setting('memory_limit'), current_setting('threads')")
    assert (query._bytes(memory), threads) == (query.MEMORY_LIMIT, query.THREADS)


def test_more_than_memory_is_an_error_and_no_file(con, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    con.execute("SET memory_limit = '30MB'")
    with pytest.raises(QueryError, match="Out of Memory"):
        rows(con, "SELECT count(*) FROM (SELECT DISTINCT md5(r.range::VARCHAR) FROM range(3000000) r)")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT * FROM pionts", 'Did you mean "points'),
        ("SELECT valu FROM points", "value"),
        ("SELEC 1", "syntax error"),
        ("SELECT error('boom') FROM runs", "boom"),
        ("FROM convergence", "convergence is a named query: write FROM convergence()"),
        ("SELECT * FROM convergense()", "convergence is a named query: write FROM convergence()"),
        ("FROM convergence(treshold := 1)", "threshold"),
    ],
)
def test_errors_of_duckdb_keep_their_hints(con, sql, says):
    with pytest.raises(QueryError) as why:
        rows(con, sql)
    assert says in str(why.value)


@pytest.mark.parametrize("text", ["/**/" * 200 + "!", " " * 20_000 + ";", "--\n" * 5000 + "+", "(" * 3000, "/*" * 3000])
def test_odd_texts_are_refused_at_once(con, text):
    """A careless expression would take years over these."""
    with pytest.raises(QueryError):
        rows(con, text + " ")


# --------------------------------------------------------------------------- answers


def test_nan_and_infinity_come_through_every_form(con):
    answer = query.run(con, "SELECT p.step, p.value FROM points p ORDER BY p.step")
    assert repr([value for _, value in answer.rows]) == repr(LOSS)
    assert repr(answer.pl()["value"].to_list()) == repr(LOSS)
    assert repr(answer.df()["value"].tolist()) == repr(LOSS)
    assert repr(answer.arrow()["value"].to_pylist()) == repr(LOSS)
    assert answer.types == ["BIGINT", "DOUBLE"]


def test_null_stays_apart_from_nan(con):
    answer = query.run(con, "SELECT * FROM (VALUES (1, NULL), (2, 'nan'::DOUBLE)) t(n, v) ORDER BY n")
    assert repr(answer.rows) == "[(1, None), (2, nan)]"
    assert answer.pl()["v"].null_count() == 1


def test_every_public_table_is_given_in_every_form(con):
    for (name,) in rows(con, "SELECT view_name FROM duckdb_views() WHERE NOT internal AND database_name = 'store'"):
        answer = query.run(con, f"FROM {name}")
        assert answer.pl().shape == answer.df().shape == (len(answer.rows), len(answer.columns))
        assert answer.arrow().column_names == answer.columns


def test_names_that_occur_twice_are_told_apart(con):
    answer = query.run(con, "SELECT 1 AS a, 2 AS a, 3 AS a_1, 4 AS a")
    assert answer.columns == ["a", "a_2", "a_1", "a_3"]
    assert answer.pl().row(0) == answer.rows[0] == (1, 2, 3, 4)


def test_sums_of_integers_are_integers(con):
    answer = query.run(con, "SELECT sum(p.step) AS a, 1.50::DECIMAL(5, 2) AS b, 1e30::HUGEINT AS c FROM points p")
    (row,) = answer.rows
    assert (row[0], type(row[0])) == (21, int)
    assert (float(row[1]), int(row[2])) == (1.5, int(1e30))


def test_intervals_are_durations(con):
    answer = query.run(con, "SELECT INTERVAL 90 MINUTE AS a UNION ALL SELECT NULL ORDER BY a")
    assert [row[0] for row in answer.rows] == [timedelta(minutes=90), None]
    assert answer.pl()["a"][0] == timedelta(minutes=90)
    answer = query.run(con, "SELECT INTERVAL '2 months 3 days' AS a UNION ALL SELECT NULL ORDER BY a")
    assert [row[0] for row in answer.rows] == ["2 months 3 days 0 s", None]


def test_odd_types_come_as_python_values(con):
    sql = (
        "SELECT {'k': [1, 2]} AS s, MAP {'a': 1} AS m, '2020-01-01 10:00:00'::TIMESTAMP AS t, DATE '2020-01-01' AS d,"
        " 'x'::BLOB AS b, '2020-01-01 10:00:00+00'::TIMESTAMPTZ AS z, NULL AS n, [NULL, 1.5] AS l"
    )
    ((s, m, t, d, b, z, n, lst),) = rows(con, sql)
    assert (s, m, t, b, n) == ({"k": [1, 2]}, [("a", 1)], datetime(2020, 1, 1, 10), b"x", None)
    assert (d.isoformat(), z.astimezone(UTC).hour) == ("2020-01-01", 10)
    assert [v if v is None else float(v) for v in lst] == [None, 1.5]


def test_an_empty_answer_has_columns(con):
    answer = query.run(con, "SELECT run_id FROM runs WHERE false")
    assert (answer.columns, answer.rows, answer.pl().shape, answer.df().shape) == (["run_id"], [], (0, 1), (0, 1))
    assert repr(answer) == "Answer(0 rows: run_id)"


def test_answers_made_by_hand_are_alike():
    answer = Answer(["a", "b", "a"], [(1, "x", None), (2, "y", 0.5)])
    assert answer.pl().columns == ["a", "b", "a_1"]
    assert answer.df().shape == (2, 3)
    assert repr(answer) == "Answer(2 rows: a, b, a_1)"
    assert Answer(["a"], []).arrow().num_rows == 0


def test_the_library_speaks_python(store):
    db = llmstats.open(store.path)
    answer = db.query("convergence", threshold=0.75, min_steps=0, smooth=2)
    assert answer.pl()["first_touch"].to_list() == [6]
    assert answer.df()["final"].tolist() == [0.5]


def test_a_query_holds_nothing_afterwards(store):
    answer = llmstats.open(store.path).query("SELECT 1 AS a")
    columns = {"status": "parsed", "content_hash": "f" * 16, "bytes_read": 1}
    store.commit([Delta("/w/later.log", REPLACE, None, columns, [])])
    store.forget("/w/later.log")
    assert answer.rows == [(1,)]
