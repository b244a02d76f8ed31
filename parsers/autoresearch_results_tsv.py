"""``results.tsv`` of an autoresearch loop: one row per experiment that an agent ran.

Source: ``program.md`` of karpathy/autoresearch (``commit, val_bpb, memory_gb, status, description``) and its variant
for torchtitan (``commit, tokens_per_sec, mfu_percent, peak_memory_gb, status, description, command``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from llmstats.documents import csv_rows, number
from llmstats.parsing import DocumentParser, Head, Place, Sample
from llmstats.records import Item, Measurement, Run
from llmstats.training import run_name

from ._mlperf_inference import decimals

GIB = 2.0**30
#: Column -> metric, factor, definition.  Memory comes from a peak in MiB over 1024, or from torchtitan's GiB.
_METRICS: dict[str, tuple[str, float, str | None]] = {
    "tokens_per_sec": ("tokens_per_second_per_device", 1.0, "tgs@log_window"),
    "mfu_percent": ("mfu", 0.01, "mfu@torchtitan_peak_table"),
    "peak_memory_gb": ("memory_reserved_peak", GIB, "memory@peak_since_last_log"),
    "memory_gb": ("memory_allocated_peak", GIB, None),
    "val_bpb": ("bits_per_byte", 1.0, None),
}
_HEADER = re.compile(r"commit\t(?:[\w%]+\t)+status\tdescription(?:\t|$)")
_FAILED = {"crash", "oom", "invalid", "timeout", "fail", "failed"}
_FOLDER = re.compile(r"dump_folder[= ](\S+)")


class AutoresearchResultsTsv(DocumentParser):
    """One run per row; a zero stands for what was not measured (a crash)."""

    name = "autoresearch_results_tsv"
    version = 1
    title = "autoresearch results.tsv (one row per experiment)"
    writes = "autoresearch agents (nanochat, torchtitan)"
    samples = (
        Sample(
            "titan/results.tsv",
            "commit\ttokens_per_sec\tmfu_percent\tpeak_memory_gb\tstatus\tdescription\tcommand\n"
            "01d1f8e\t7254\t30.25\t173.5\tkeep\tbaseline\t./run_train.sh --dump_folder=outputs/run01-base > log\n"
            "c65a743\t0\t0.00\t0.0\tcrash\tlarger batch\t./run_train.sh --training.local_batch_size=5\n",
            matched=1,
            measurements={
                ("tokens_per_second_per_device", "value"): 7254.0,
                ("mfu", "value"): 0.3025,
                ("memory_reserved_peak", "value"): 173.5 * 2**30,
            },
            runs={
                "titan/run01-base": {"status": "completed", "config": {"description": "baseline", "verdict": "keep"}},
                "titan/c65a743": {"status": "failed"},
            },
        ),
        Sample(
            "nano/results.tsv",
            "commit\tval_bpb\tmemory_gb\tstatus\tdescription\na1b2c3d\t0.9979\t44.0\tkeep\tbaseline\n",
            matched=1,
            measurements={("bits_per_byte", "value"): 0.9979, ("memory_allocated_peak", "value"): 44 * 2**30},
            runs={"nano/a1b2c3d": {"kind": "training"}},
        ),
    )

    def detect(self, head: Head) -> str | None:
        return f"header {head.lines[0][:80]!r}" if _HEADER.match(head.lines[0]) else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        rows = csv_rows(text if text.endswith("\n") else text[: text.rfind("\n") + 1], delimiter="\t")
        header = next(rows, None)
        names: Counter[str] = Counter()
        for row in rows if header else ():
            assert header is not None
            if len(row.cells) == len(header.cells):
                cells = dict(zip(header.cells, row.cells, strict=True))
                own = _own_name(cells)
                names[own] += 1
                yield from _experiment(place, run_name(own, names[own] - 1), cells, row.line)


def _own_name(row: dict[str, str]) -> str:
    """The folder that the experiment wrote to, else its commit; of those that come again the second is ``#2``."""
    folder = _FOLDER.search(row.get("command", ""))
    return folder[1].rstrip("/").rsplit("/", 1)[-1] if folder else row.get("commit") or "experiment"


def _experiment(place: Place, own: str, row: dict[str, str], line: int) -> Iterator[Item]:
    run = Run("/".join(p for p in (place.parent(), own) if p), place.directory(), kind="training")
    verdict = row.get("status", "")
    run.status = "failed" if verdict in _FAILED else "completed" if verdict else None
    run.config = {"verdict": verdict} | {k: row[k] for k in ("commit", "description", "command") if row.get(k)}
    yield run
    for key, text in row.items():
        value = None if key in run.config or key == "status" else number(text)
        if value:  # a zero stands for what was not measured
            metric, factor, definition = _METRICS.get(key, (key, 1.0, None))
            yield Measurement(
                run.name,
                metric,
                value * factor,
                raw_name=key,
                raw_value=text,
                definition=definition,
                precision=decimals(text),
                line=line,
            )
