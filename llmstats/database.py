"""The library's front: what the command line does, without a terminal.

`Database` holds no connection: each call opens the file, works, materialises its answer and closes, so that a
notebook never blocks an ingest for longer than a query runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from llmstats.errors import QueryError
from llmstats.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from llmstats.ingest import Progress, Report
    from llmstats.judge import Judgement
    from llmstats.query import Answer
    from llmstats.store_types import Forgotten


class Database:
    """A store and what can be asked of it."""

    def __init__(self, path: str, *, patience: float = 30.0, queries: str | None = None) -> None:
        self.path = os.path.abspath(path)
        self._queries = queries
        self._store = Store(self.path, patience=patience)

    @contextmanager
    def _asking(self) -> Iterator[DuckDBPyConnection]:
        """A connection for one question; what DuckDB refuses on the way is told as of any query."""
        import duckdb

        with self._store.reading() as con:
            try:
                yield con
            except duckdb.Error as why:
                raise QueryError(str(why)) from why

    def ingest(
        self,
        *inputs: str | os.PathLike[str],
        labels: Mapping[str, str] | None = None,
        workers: int | None = None,
        documents: bool = False,
        fallback: str | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Report:
        """Read files, directories, archives and globs into the store; see `llmstats.ingest.Ingest.run`."""
        from llmstats.ingest import Ingest

        paths = [os.fspath(i) for i in inputs]
        return Ingest(self._store, on_progress).run(paths, labels, workers, documents=documents, fallback=fallback)

    def query(self, name_or_sql: str, **parameters: Any) -> Answer:
        """A named query (``convergence``) with its parameters, or one read-only SQL statement.

        Raises:
            NotFound: no such query or parameter.
            QueryError: a parameter of the wrong type, or SQL that DuckDB refuses.
        """
        from llmstats import query, questions

        mine = questions.needed(name_or_sql, self._queries)
        with self._asking() as con:
            return query.run(con, name_or_sql, {k: str(v) for k, v in parameters.items()}, mine)

    def judge(
        self, recipe: str, *runs: str, reference: str | None = None, any_model: bool = False, **parameters: Any
    ) -> Judgement:
        """Hold a recipe (by name, ``NAME@VERSION`` or path) against experiments; none named: all that it fits.

        ``any_model``: those, too, that say another model than the recipe is for.

        Raises:
            NotFound: no such recipe, parameter, run or reference.
            RecipeError: a recipe's file or a parameter's value that is wrong.
            InputError: there is nothing to judge.
        """
        from llmstats import judge, recipes

        rule = recipes.bind(recipes.load(recipe), {k: str(v) for k, v in parameters.items()})
        with self._asking() as con:
            return judge.judge_store(con, rule, runs, reference, any_model=any_model)

    def plot(self, name: str, output: str, **parameters: Any) -> None:
        """Draw a named picture (``convergence``, ``throughput``, …) to a .png, .svg or .pdf file."""
        from llmstats import plots

        with self._asking() as con:
            plots.plot(con, name, output, **parameters)

    def show(self, run: str, metric: str | None = None, step: int | None = None, limit: int = 20) -> Sequence[Any]:
        """Walk values of a run back to their lines; see `llmstats.evidence.show`."""
        from llmstats import evidence

        with self._asking() as con:
            places = evidence.find(con, run, metric, step, limit)
        return evidence.read(places)

    def verify(self, *paths: str) -> Sequence[Any]:
        """Read all sources (or those under ``paths``) again and compare; see `llmstats.evidence.verify`."""
        from llmstats.verify import verify

        return verify(self._store, [os.path.abspath(p) for p in paths])

    def forget(self, path_or_run: str) -> Forgotten:
        """Remove a source (by path) or a run (by id) and all that came from it."""
        return self._store.forget(path_or_run)
