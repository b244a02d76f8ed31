"""One value, one home: what a run's files say twice is shown once, and cites the better file.

Raw rows are never removed.  A value that another file of the run has at the same step with more digits is *hidden*:
the whole row of ``block_values`` (``hidden``) or single places of it (``shown``).  Times that a file lacks are *joined*
from another file of the run by phase and step.  Both are functions of the raw rows, so the order of ingest, the growth
of one file before another, and ``forget`` all lead to the same ``points``.

Work is bounded by what changed: only blocks whose steps overlap a changed range are looked at, and only where two
series contest the same values or a file goes back in its steps.  A rank of NULL and rank 0 are the same rank here: the
JSON files of a framework often leave it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: As `store_series.precision_rank`.
_PRECISION_RANK = """CASE
    WHEN coalesce({0}, '') = '' THEN -1
    WHEN {0} = 'full' THEN 1000
    WHEN {0} LIKE '%e' THEN 100 + CAST(rtrim({0}, 'e') AS INTEGER)
    ELSE CAST({0} AS INTEGER) END"""

#: Series that share their values with another one of the run, or with themselves.  ``identity`` numbers the values that
#: are shared; ``place`` orders the series of one identity, best first; ``quality`` is equal for the series of one file,
#: among which the last line wins.
_CONTESTED = f"""
CREATE OR REPLACE TEMP TABLE contested AS
WITH candidates AS (
    SELECT s.series_key, s.run_key, s.phase, s.raw_name, s.repeats, f.name, f.format, o.path,
           {_PRECISION_RANK.format("s.precision")} AS digits,
           dense_rank() OVER (ORDER BY s.run_key, s.phase, coalesce(s.rank, 0), s.device_index, s.metric,
                                       s.definition) AS identity
    FROM series_rows s
    JOIN run_facts f ON f.fact_key = s.fact_key
    JOIN source_rows o ON o.source_key = s.source_key
    WHERE s.max_step IS NOT NULL AND (s.run_key, s.phase) IN (SELECT (run_key, phase) FROM changed)
)
SELECT series_key, run_key, phase, identity,
       dense_rank() OVER (PARTITION BY identity ORDER BY digits DESC, format NULLS LAST, path) AS quality,
       row_number() OVER (PARTITION BY identity ORDER BY digits DESC, format NULLS LAST, path, raw_name, name) AS place
FROM candidates
QUALIFY count(*) OVER (PARTITION BY identity) > 1 OR bool_or(repeats) OVER (PARTITION BY identity)"""

#: Blocks to look at: those that overlap a change, and those that overlap one of these.
_PARTS = """
CREATE OR REPLACE TEMP TABLE parts AS
WITH scope AS (
    SELECT run_key, phase, min(low) AS low, max(high) AS high FROM changed
    WHERE low IS NOT NULL GROUP BY run_key, phase
), near AS (
    SELECT b.run_key, b.phase, min(b.min_step) AS low, max(b.max_step) AS high
    FROM blocks b JOIN scope s ON s.run_key = b.run_key AND s.phase = b.phase
    WHERE b.max_step >= s.low AND b.min_step <= s.high GROUP BY b.run_key, b.phase
)
SELECT b.block_key, b.run_key, b.phase, b.rank, b.has_clock,
       b.max_step >= s.low AND b.min_step <= s.high AS target
FROM blocks b
JOIN near n ON n.run_key = b.run_key AND n.phase = b.phase
JOIN scope s ON s.run_key = b.run_key AND s.phase = b.phase
WHERE b.max_step >= n.low AND b.min_step <= n.high"""

#: Metrics whose values stand in the same blocks in the same order of files have the same answer: one of them is worked
#: out for the whole class.
_CLASSES = """
CREATE OR REPLACE TEMP TABLE cells AS
SELECT c.identity, c.run_key, c.phase, c.place, c.quality, c.series_key, p.block_key, p.target
FROM contested c
JOIN block_values v ON v.series_key = c.series_key
JOIN parts p ON p.block_key = v.block_key;

CREATE OR REPLACE TEMP TABLE classes AS
WITH layout AS (
    SELECT identity, run_key, phase,
           list({block: block_key, place: place, quality: quality} ORDER BY block_key, place) AS layout
    FROM cells GROUP BY identity, run_key, phase
)
SELECT identity, min(identity) OVER (PARTITION BY run_key, phase, layout) AS model FROM layout"""

#: The winner at each step, then per block and place: all shown, none, or a mask.
_VERDICTS = """
CREATE OR REPLACE TEMP TABLE verdicts AS
WITH flat AS (
    SELECT c.identity, c.place, c.quality, c.block_key, unnest(b.steps) AS step, unnest(b.lines) AS line,
           generate_subscripts(b.steps, 1) AS i
    FROM cells c JOIN blocks b ON b.block_key = c.block_key
    WHERE c.identity IN (SELECT model FROM classes)
), ranked AS (
    SELECT identity, place, block_key, i, row_number() OVER (
        PARTITION BY identity, step ORDER BY quality, line DESC, place, block_key DESC, i DESC) = 1 AS won
    FROM flat
), summed AS (
    SELECT identity AS model, place, block_key, bool_and(won) AS every, bool_or(won) AS some,
           list(won ORDER BY i) AS mask
    FROM ranked GROUP BY identity, place, block_key
)
SELECT k.block_key, k.series_key, NOT s.some AS hidden, CASE WHEN s.some AND NOT s.every THEN s.mask END AS shown
FROM cells k
JOIN classes c ON c.identity = k.identity
JOIN summed s ON s.model = c.model AND s.place = k.place AND s.block_key = k.block_key
WHERE k.target"""

#: Lists cannot be updated in place, so rows whose mask stays get the cheap statement.
_APPLY = (
    """
UPDATE block_values SET hidden = v.hidden, shown = v.shown FROM verdicts v
WHERE v.block_key = block_values.block_key AND v.series_key = block_values.series_key
  AND v.shown IS DISTINCT FROM block_values.shown""",
    """
UPDATE block_values SET hidden = v.hidden FROM verdicts v
WHERE v.block_key = block_values.block_key AND v.series_key = block_values.series_key
  AND v.hidden IS DISTINCT FROM block_values.hidden""",
    """
UPDATE series_rows SET marked = true
WHERE NOT marked AND series_key IN (SELECT series_key FROM verdicts WHERE hidden OR shown IS NOT NULL)""",
)

#: Series that were marked and have no rival left.
_CLEAR = (
    """
CREATE OR REPLACE TEMP TABLE cleared AS
SELECT series_key FROM series_rows
WHERE marked AND (run_key, phase) IN (SELECT (run_key, phase) FROM changed)
  AND series_key NOT IN (SELECT series_key FROM contested)""",
    """
UPDATE block_values SET hidden = false, shown = NULL
WHERE series_key IN (SELECT series_key FROM cleared) AND shown IS NOT NULL""",
    """
UPDATE block_values SET hidden = false
WHERE series_key IN (SELECT series_key FROM cleared) AND hidden""",
    "UPDATE series_rows SET marked = false WHERE series_key IN (SELECT series_key FROM cleared)",
)

#: A row for each changed run that has blocks with and without a clock, or times joined before.
_CLOCKS_DIFFER = """
SELECT 1 FROM blocks
WHERE min_step IS NOT NULL AND (run_key, phase) IN (SELECT (run_key, phase) FROM changed)
GROUP BY run_key, phase
HAVING bool_or(NOT has_clock) AND (bool_or(has_clock) OR bool_or(joined IS NOT NULL))"""

#: Times by step from the best file that has a clock, spread over the blocks that have none.
_JOINED = """
CREATE OR REPLACE TEMP TABLE joined_times AS
WITH wanting AS (
    SELECT p.block_key, p.run_key, p.phase, coalesce(p.rank, 0) AS rank FROM parts p
    WHERE p.target AND NOT p.has_clock
), having_clock AS (
    SELECT p.run_key, p.phase, coalesce(p.rank, 0) AS rank, b.block_key, b.lines, b.steps, b.clock,
           {format: coalesce(o.format, '~'), path: o.path} AS origin
    FROM parts p JOIN blocks b ON b.block_key = p.block_key JOIN source_rows o ON o.source_key = b.source_key
    WHERE p.has_clock AND (p.run_key, p.phase) IN (SELECT (run_key, phase) FROM wanting)
), stamped AS (
    SELECT run_key, phase, rank, origin, block_key, unnest(steps) AS step, unnest(clock) AS time,
           unnest(lines) AS line, generate_subscripts(steps, 1) AS i
    FROM having_clock
), times AS (
    SELECT run_key, phase, rank, step, time FROM stamped WHERE time IS NOT NULL
    QUALIFY row_number() OVER (
        PARTITION BY run_key, phase, rank, step ORDER BY origin, line DESC, block_key DESC, i DESC) = 1
), asking AS (
    SELECT w.block_key, w.run_key, w.phase, w.rank, unnest(b.steps) AS step, generate_subscripts(b.steps, 1) AS i
    FROM wanting w JOIN blocks b ON b.block_key = w.block_key
    WHERE EXISTS (SELECT 1 FROM having_clock h WHERE h.run_key = w.run_key AND h.phase = w.phase)
), answered AS (
    SELECT a.block_key, list(t.time ORDER BY a.i) AS joined, count(t.time) AS found FROM asking a
    LEFT JOIN times t ON t.run_key = a.run_key AND t.phase = a.phase AND t.rank = a.rank AND t.step = a.step
    GROUP BY a.block_key
)
SELECT w.block_key, CASE WHEN a.found > 0 THEN a.joined END AS joined
FROM wanting w LEFT JOIN answered a ON a.block_key = w.block_key"""

_APPLY_JOINED = """
UPDATE blocks SET joined = j.joined FROM joined_times j
WHERE j.block_key = blocks.block_key AND j.joined IS DISTINCT FROM blocks.joined"""

_CASE = ("input_len", "output_len", "concurrency", "batch_size", "request_rate")


def _only(column: str) -> str:
    """The one value of a condition in a run, if there is one: a file that leaves it out (a dump) means the same."""
    return f"CASE WHEN count(DISTINCT {column}::VARCHAR) = 1 THEN min({column}::VARCHAR) END AS {column}"


#: Files named alike but for their digits (``summary_{time}.csv``) tell the same again: the latest counts.
_MEASUREMENTS = f"""
WITH cases AS (
    SELECT run_key, {", ".join(map(_only, (*_CASE, "conditions")))} FROM measurement_rows
    WHERE run_key IN (SELECT key FROM touched) GROUP BY run_key
), ranked AS (
    SELECT m.rowid AS id, m.source_key, first_value(m.source_key) OVER (
        PARTITION BY m.run_key, m.subject, m.metric, m.statistic, m.definition,
                     {", ".join(f"coalesce(m.{c}::VARCHAR, c.{c})" for c in _CASE)},
                     CASE WHEN m.input_len IS NULL AND c.input_len IS NOT NULL
                          THEN coalesce(m.conditions::VARCHAR, c.conditions) ELSE m.conditions::VARCHAR END
        ORDER BY m.value IS NULL, {_PRECISION_RANK.format("m.precision")} DESC, m.input_len IS NULL,
                 o.format NULLS LAST, regexp_replace(o.path, '[0-9]', '0', 'g'), o.path DESC) AS best
    FROM measurement_rows m
    JOIN cases c ON c.run_key = m.run_key
    JOIN source_rows o ON o.source_key = m.source_key
)
UPDATE measurement_rows SET hidden = r.source_key <> r.best FROM ranked r
WHERE measurement_rows.rowid = r.id AND measurement_rows.hidden IS DISTINCT FROM (r.source_key <> r.best)"""


def begin(con: DuckDBPyConnection) -> None:
    """Open the list of step ranges that a commit changes; writers add to it, before and after they move rows."""
    con.execute("CREATE OR REPLACE TEMP TABLE changed (run_key INTEGER, phase VARCHAR, low BIGINT, high BIGINT)")


def merge(con: DuckDBPyConnection) -> None:
    """Hide and join what follows from the ranges in ``changed``, and measurements of the runs in ``touched``."""
    if _any(con, "SELECT 1 FROM changed"):
        _merge_points(con)
    if _any(con, "SELECT 1 FROM measurement_rows WHERE run_key IN (SELECT key FROM touched)"):
        con.execute(_MEASUREMENTS)


def _merge_points(con: DuckDBPyConnection) -> None:
    con.execute(_CONTESTED)
    for statement in _CLEAR:
        con.execute(statement)
    contested = _any(con, "SELECT 1 FROM contested")
    if not contested and not _any(con, _CLOCKS_DIFFER):
        return
    con.execute(_PARTS)
    if contested:
        con.execute(_CLASSES)
        con.execute(_VERDICTS)
        for statement in _APPLY:
            con.execute(statement)
    con.execute(_JOINED)
    con.execute(_APPLY_JOINED)


def _any(con: DuckDBPyConnection, query: str) -> bool:
    return bool(con.execute(f"{query} LIMIT 1").fetchall())
