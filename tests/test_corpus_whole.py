"""The whole corpus at once, as a user would ingest it: nothing breaks, nearly everything is understood."""

from collections import Counter
from pathlib import Path

import pytest

import llmstats
from llmstats.database import Database

#: Files that hold no result of any run, by their names: settings, inputs, pictures, lists, programs.
NO_RESULTS = {"MANIFEST.tsv"}


@pytest.fixture(scope="module")
def db(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Database:
    db = llmstats.open(str(tmp_path_factory.mktemp("corpus") / "c.duckdb"))
    db.ingest(corpus)
    return db


def sources(db: Database) -> list[tuple[str, str | None, str, str | None]]:
    return db.query("SELECT path, format, status, error FROM sources").rows


def test_no_parser_breaks_and_no_file_is_ambiguous(db: Database) -> None:
    bad = [row for row in sources(db) if row[2] in ("failed", "ambiguous", "too_large")]
    assert [row for row in bad if row[2] != "failed" or "defect" in (row[3] or "")] == []


def test_nothing_recognises_what_is_no_result(db: Database) -> None:
    assert [row for row in sources(db) if "/misc_negative/" in row[0] and row[1] is not None] == []


def test_nearly_all_results_are_recognised(db: Database, corpus: Path) -> None:
    """Documents are read by their tables or on request; each other file that nobody knows says what it looks like."""
    rows = db.query("coverage", under=str(corpus)).rows
    total = Counter()
    for row in (dict(zip(db.query("coverage").columns, row, strict=True)) for row in rows):
        total.update({k: row[k] for k in ("recognised", "unrecognised")} if row["folder"] != "misc_negative" else {})
    assert total["recognised"] / (total["recognised"] + total["unrecognised"]) >= 0.95
    assert all(error for _, _, status, error in sources(db) if status == "unrecognised")


def test_equal_files_in_different_places_are_different_facts(db: Database) -> None:
    """Byte-identical result files, as of one MLPerf result under two systems, keep their own runs."""
    twins = db.query(
        "SELECT s.content_hash, count(*), count(DISTINCT m.run_id) FROM sources s JOIN "
        "(SELECT DISTINCT source_id, run_id FROM measurements) m ON m.source_id = s.source_id "
        "WHERE s.format LIKE 'mlperf%' GROUP BY ALL HAVING count(*) > 1"
    ).rows
    assert twins
    assert all(files == runs for _, files, runs in twins)


def test_excerpts_of_documents(corpus: Path, tmp_path: Path) -> None:
    db = llmstats.open(str(tmp_path / "d.duckdb"))
    db.ingest(corpus / "mmengine_xtuner", corpus / "vllm_ascend_docs", documents=True)
    rows = db.query("SELECT format, count(*) FROM sources WHERE path LIKE '%.md!/excerpt-%' GROUP BY ALL").rows
    assert {format_ for format_, _ in rows} >= {"mmengine_log"}
    assert db.query("SELECT count(*) FROM runs WHERE labels->>'excerpt' IS NULL AND run_id LIKE '%excerpt%'").rows == [
        (0,)
    ]


def test_reading_everything_again_gives_the_same(db: Database) -> None:
    """Files come in another order and in other company; the answers stay."""
    assert [finding for finding in db.verify() if not finding.good] == []
