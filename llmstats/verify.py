"""Reading everything again: does the store still say what the files say?"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmstats.errors import NotFound
from llmstats.store import Store

if TYPE_CHECKING:
    from llmstats.store_types import Known

#: One number per source over everything that came from it, independent of the order of rows.
_DIGESTS = """
    SELECT s.path, count(*) AS n, bit_xor(hash(x.row)) AS digest
    FROM sources AS s JOIN (
        SELECT p.source_id, concat_ws('|', 'p', p.run_id, p.rank, p.device_index, p.phase, p.metric, p.step, p.epoch,
                                      p.time, p.value, p.line) AS row FROM points AS p
        UNION ALL
        SELECT m.source_id, concat_ws('|', 'm', m.run_id, m.subject, m.metric, m.statistic, m.value, m.raw_value,
                                      m.line)
        FROM measurements AS m
    ) AS x ON x.source_id = s.source_id
    GROUP BY ALL
"""


@dataclass(slots=True)
class Finding:
    """What became of one source: ``same``, ``grown``, ``changed``, ``missing``, ``differs``, ``not re-readable``."""

    path: str
    verdict: str
    detail: str = ""

    @property
    def good(self) -> bool:
        return self.verdict in ("same", "grown", "not re-readable")


def verify(store: Store, under: list[str]) -> list[Finding]:
    """Hash every source to its known end and parse it again into a store of its own.

    Args:
        under: absolute paths; empty means all sources.

    Raises:
        NotFound: nothing parsed lies at or below one of the paths.
    """
    known = [k for k in store.known().values() if k.status == "parsed"]
    for path in under:
        if not any(_below(k.path, [path]) for k in known):
            raise NotFound(f"no source at or below {path} was parsed; llmstats sources lists what is in the store")
    known = [k for k in known if _below(k.path, under)]
    findings = {k.path: _content(k) for k in known}
    again = [k for k in known if findings[k.path].verdict == "same"]
    if again:
        _compare(store, again, findings)
    return [findings[path] for path in sorted(findings)]


def _below(path: str, under: list[str]) -> bool:
    return not under or any(path == u or path.startswith((u.rstrip("/") + "/", u + "!/")) for u in under)


def _content(known: Known) -> Finding:
    """Compare the bytes of a file, up to where it was read, with their hashes."""
    from llmstats.identity import BlockHasher
    from llmstats.sources import Found, is_stdin, open_source

    if is_stdin(known.path):
        return Finding(known.path, "not re-readable", "standard input")
    outer = known.path.split("!/")[0]
    if not os.path.exists(outer):
        return Finding(known.path, "missing", "the file is gone; its rows are kept")
    hasher, left = BlockHasher(), known.size
    with open_source(Found(known.path, None, size=os.path.getsize(outer))) as reader:
        while left > 0 and (raw := reader.read(min(left, 1 << 22))):
            hasher.update(raw)
            left -= len(raw)
        more = bool(reader.read(1))
    if hasher.content_hash() != known.content_hash:
        return Finding(known.path, "changed", "its bytes are not those that were read; ingest it again")
    return Finding(known.path, "grown", "lines were added; ingest it again") if more else Finding(known.path, "same")


def _compare(store: Store, again: list[Known], findings: dict[str, Finding]) -> None:
    from llmstats.excerpts import document_of
    from llmstats.ingest import Ingest
    from llmstats.sources import is_stdin

    with tempfile.TemporaryDirectory(prefix="llmstats-verify-") as folder:
        fresh = Store(os.path.join(folder, "fresh.duckdb"))
        every = {k.path.split("!/")[0] for k in store.known().values() if k.status == "parsed" and not is_stdin(k.path)}
        documents = any(document_of(k.path) for k in again)
        Ingest(fresh).run(sorted(p for p in every if os.path.exists(p)), documents=documents, fallback=_asked(again))
        expected, found = _digests(store), _digests(fresh)
    for known in again:
        if expected.get(known.path) != found.get(known.path):
            before, now = expected.get(known.path, (0, 0))[0], found.get(known.path, (0, 0))[0]
            findings[known.path] = Finding(
                known.path, "differs", f"the store holds {before} values, reading again gives {now}"
            )


def _asked(known: list[Known]) -> str | None:
    """The format that a user asked for, if sources were read that way."""
    from llmstats import formats

    asked = {p.name for p in formats.parsers() if p.on_request}
    return next((k.format for k in known if k.format in asked), None)


def _digests(store: Store) -> dict[str, tuple[int, int]]:
    with store.reading() as con:
        return {path: (n, digest) for path, n, digest in con.execute(_DIGESTS).fetchall()}
