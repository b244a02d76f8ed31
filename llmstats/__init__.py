"""llmstats: answers from LLM training logs, serving benchmarks and metric dumps, every number traceable to its line.

::

    import llmstats as ls
    db = ls.open("x.duckdb")
    db.ingest("work_dirs")
    db.query("convergence").pl()      # also .df() for pandas, .arrow()

Words (one word, one meaning):

source      one file as found: path, size, content identity, how far it has been read
format      a kind of file that one parser reads: ``mmengine_log``, ``llm_profile_json``, …
run         one start of one program: one mmengine timestamp directory, one benchmark cell, one evaluation
attempt     the ordinal of a run within its experiment (a resume is a new attempt)
experiment  one training or one benchmark as the user means it: a chain of runs in one work_dir linked by a resume
rank        the process within a run that wrote the record
step        iteration number as the log counts it (a micro-step under gradient accumulation), 1-based, global;
            validation carries its epoch, and the last train step as step
time        the wall clock as logged, no zone
series      one metric of one run, phase and rank from one file: raw name, unit, definition, precision
phase       train, val, test
metric      a canonical name with unit and direction; a raw name is always kept beside it
definition  which of several meanings a metric has here: ``tpot@vllm``, ``tgs@micro_step``
case        the conditions of a measurement: input_len, output_len, concurrency, batch_size, request_rate
issue       a line or file that did not parse although it looked like data, with its place and reason
recipe      a benchmark's pass rule as data: series, window, threshold, minimum steps, tolerance
repeat      runs that agree in everything they state: what an interval is over
baseline    the device that others are given as multiples of
runner      what launches or performs one workload and writes its files
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmstats.database import Database

__version__ = "0.1.0"
__all__ = ["__version__", "open"]


def open(  # noqa: A001
    path: str = "llmstats.duckdb", *, patience: float = 30.0, queries: str | None = None
) -> Database:
    """A store by its path; no connection is held between calls.

    Args:
        path: the DuckDB file; the first `Database.ingest` creates it.
        patience: seconds to wait for another process that holds the file.
        queries: a directory of your own ``*.sql`` queries, which join the named ones.
    """
    from llmstats.database import Database

    return Database(path, patience=patience, queries=queries)
