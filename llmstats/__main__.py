"""The program: ``llmstats``, or ``python -m llmstats``."""

from __future__ import annotations

import sys


def run() -> None:
    """Start the command line.

    An ingest has no use for pandas, but pyarrow and DuckDB 1.5 import it (0.5 s) to ask of a value whether it came
    from there; so in the process of this one command it is not to be had.  The library leaves it alone.
    """
    if sys.argv[1:2] == ["ingest"]:
        sys.modules["pandas"] = None  # type: ignore[assignment]
    from llmstats.cli import main

    main(prog_name="llmstats")


if __name__ == "__main__":
    run()
