"""One source at a time: bytes in, canonical items out, in parts that can each be committed on their own.

Runs in a worker process.  It never sees the store: what is known of a file comes with the `Job`, and what was read
goes back as `Part` objects.  Engines live as long as the worker, so a shape learnt in one file serves all others.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from typing import Any

from llmstats import formats, sources
from llmstats.canonical import canonical
from llmstats.catalog import metrics
from llmstats.errors import LlmstatsError
from llmstats.excerpts import is_prose
from llmstats.glance import glance
from llmstats.identity import BlockHasher, same_beginning
from llmstats.jobs import (
    ASK,
    NOTHING,
    Job,
    Part,
    Wishes,
    excerpts_mark,
    expected_by,
    is_current,
    outcome,
    parser_by,
    stat_columns,
    touch,
)
from llmstats.parsing import (
    HEAD_BYTES,
    BinaryParser,
    DocumentParser,
    Head,
    JsonLinesParser,
    LineParser,
    Objects,
    Parser,
    Place,
    State,
    WholeParser,
)
from llmstats.records import Issue, Item, Measurement, Points, Run
from llmstats.shapes import CHUNK, Engine, Scan
from llmstats.sources import Found, Reader, is_stdin
from llmstats.store_types import APPEND, REPLACE, CanonicalPoints, Known
from llmstats.streams import compression_of
from llmstats.stretches import binary_items, document_items, json_lines, scan_together
from llmstats.text import Normaliser, Stretch

#: A plain file up to this size is read in one piece, together with its neighbours.
SMALL = 1 << 20
#: Raw bytes of a large file between two parts.
PART = 96 << 20
#: Suspect lines kept as issues per source; the rest is only counted.
MAX_ISSUES = 200
Parts = Generator[Part, bool | None, None]


# --------------------------------------------------------------------------- one open source


class Reading:
    """One source under way: normaliser, parser with its state, counters, hashes, and the items since the last part."""

    def __init__(
        self, job: Job, parser: Parser, detected_by: str, hasher: BlockHasher, resume: Known | None = None
    ) -> None:
        self.job, self.parser, self.detected_by, self.hasher = job, parser, detected_by, hasher
        self.place = Place(job.found.path, job.found.mtime_ns / 1e9)
        self.expected = expected_by(job)
        kept: State = (resume.state if resume else None) or {}
        self.counts: dict[str, int] = kept.pop("#counts", {"matched": 0, "suspect": 0})
        self.names: dict[str, None] = dict.fromkeys(kept.pop("#names", []))
        self.state: State = kept if resume else parser.start(self.place)
        self.text = Normaliser(
            encoding=resume.encoding if resume else None,
            line=resume.lines_total + 1 if resume else job.found.first_line,
            longest=parser.max_bytes if isinstance(parser, WholeParser) else None,
        )
        self.bytes_read = resume.bytes_read if resume else 0
        self.mode = APPEND if resume else REPLACE
        self.raw = 0
        self.items: list[Any] = []
        self.uncatalogued: dict[str, int] = {}
        self._catalogue = metrics()

    def feed(self, raw: bytes, *, final: bool) -> Stretch | None:
        stretch = self.text.feed(raw, final=final)
        self.raw += len(raw)
        if stretch is not None:
            self.bytes_read += stretch.raw_bytes
        return stretch

    def fold(self, stretch: Scan | Objects) -> None:
        """Let the parser turn a stretch into items."""
        assert isinstance(self.parser, (LineParser, JsonLinesParser))
        matched = stretch.matched if isinstance(stretch, Scan) else len(stretch.rows)
        self.take(self.parser.fold(self.state, self.place, stretch))  # type: ignore[arg-type]
        if isinstance(stretch, Objects):
            broken = [(line, text) for line, text in stretch.notes if text.lstrip().startswith("{")]
            self.take(Issue("broken JSON object", line, text[:500]) for line, text in broken)
        self.counts["matched"] += matched

    def document(self, raw: bytes) -> None:
        """Let the parser read a whole file."""
        if isinstance(self.parser, BinaryParser):
            items, matched = binary_items(self.parser, self.place, raw)
            self.raw += len(raw)
            self.bytes_read += len(raw)
        else:
            assert isinstance(self.parser, DocumentParser)
            items, matched = document_items(self.parser, self.place, raw, self.feed(raw, final=True))
        self.take(items)
        self.counts["matched"] += matched

    def take(self, items: Iterable[Item | CanonicalPoints]) -> None:
        for item in items:
            if isinstance(item, Issue) and item.suspect:
                self.counts["suspect"] += 1
                if self.counts["suspect"] > MAX_ISSUES:
                    continue
            elif isinstance(item, Run):
                self.names[item.name] = None
            elif isinstance(item, Points):
                item = canonical(self.parser, item)
                for series in item.series:
                    self._count(series.metric, series.raw_name, len(series.values))
            elif isinstance(item, Measurement):
                self._count(item.metric, item.raw_name, 1)
            self.items.append(item)

    def _count(self, metric: str, raw_name: str, values: int) -> None:
        if metric not in self._catalogue:
            name = raw_name or metric
            self.uncatalogued[name] = self.uncatalogued.get(name, 0) + values

    def part(self, *, complete: bool) -> Part:
        """What was read since the last part."""
        columns = {
            **NOTHING,
            **stat_columns(self.job),
            "status": "parsed",
            "format": self.parser.name,
            "detected_by": self.detected_by,
            "parser_version": str(self.parser.version),
            "encoding": self.text.encoding,
            "size_bytes": self.hasher.size,
            "bytes_read": self.bytes_read,
            "content_hash": self.hasher.content_hash(),
            "blocks": self.hasher.blocks(),
            "lines_total": self.text.next_line - 1,
            "lines_matched": self.counts["matched"],
            "lines_suspect": self.counts["suspect"],
            "state": {**self.state, **excerpts_mark(self.job), "#counts": self.counts, "#names": list(self.names)},
        }
        part = Part(
            self.job.found.path, self.mode, self.expected, columns, self.items, complete, self.raw, tuple(self.names),
            self.uncatalogued,
        )  # fmt: skip
        self.items, self.uncatalogued, self.mode, self.raw = [], {}, APPEND, 0
        self.expected = (self.bytes_read, columns["content_hash"])
        return part


# --------------------------------------------------------------------------- the worker


class Worker:
    """Reads jobs; keeps one engine per format."""

    def __init__(self) -> None:
        self._engines: dict[str, Engine] = {}

    def engine(self, parser: LineParser) -> Engine:
        if parser.name not in self._engines:
            self._engines[parser.name] = Engine(parser.plan)
        return self._engines[parser.name]

    def read(self, jobs: list[Job]) -> Parts:
        """Parts of all jobs: small files together, each large one or archive on its own."""
        small: list[Job] = []
        for job in jobs:
            if job.found.status is not None:
                yield outcome(job, job.found.status, job.found.reason)
            elif job.found.archive:
                yield from self._archive(job)
            elif job.found.size <= SMALL and job.known is None and _is_plain(job.found):
                small.append(job)
            else:
                yield from self._guarded(job, self._one(job))
            if job.wishes.documents and is_prose(job.found.path) and job.found.status is None:
                yield from self._guarded(job, self._excerpts(job))
        yield from self._together(small)

    @staticmethod
    def _guarded(job: Job, parts: Parts) -> Parts:
        """A source that cannot be read is an outcome, whatever broke; a defect of a parser names itself."""
        expected, answer = expected_by(job), None
        try:
            while True:
                part = parts.send(answer)
                if part.mode in (REPLACE, APPEND):
                    expected = (part.columns["bytes_read"], part.columns["content_hash"] or "")
                answer = yield part
        except StopIteration:
            return
        except sources.TooLarge as why:
            failed = outcome(job, "too_large", str(why))
        except (LlmstatsError, OSError) as why:
            failed = outcome(job, "failed", str(why))
        except Exception as why:  # noqa: BLE001 - one broken parser or file must not stop the others; the status says it
            failed = outcome(job, "failed", f"defect in the parser: {type(why).__name__}: {why}")
        failed.expected = expected  # of what was committed of it before
        yield failed

    # ---- small files, many at once

    def _together(self, jobs: list[Job]) -> Parts:
        waiting: dict[str, list[tuple[Reading, Stretch]]] = {}
        for job in jobs:
            yield from self._guarded(job, self._small(job, waiting))
        for group in waiting.values():
            parser = group[0][0].parser
            assert isinstance(parser, LineParser)
            scans = scan_together(self.engine(parser), [stretch for _, stretch in group])
            for (reading, _), scan in zip(group, scans, strict=True):
                yield from self._guarded(reading.job, _folded(reading, scan))

    def _small(self, job: Job, waiting: dict[str, list[tuple[Reading, Stretch]]]) -> Parts:
        with sources.open_source(job.found) as reader:
            raw = reader.read(job.found.size + CHUNK)
            growing = reader.growing
        started = _start(job, raw)
        if isinstance(started, Part):
            yield started
            return
        started.hasher.update(raw)
        if isinstance(started.parser, WholeParser):
            started.document(raw)
        else:
            stretch = started.feed(raw, final=not growing)
            if stretch is not None and isinstance(started.parser, LineParser):
                waiting.setdefault(started.parser.name, []).append((started, stretch))
                return
            if stretch is not None:
                started.fold(json_lines(stretch))
        yield started.part(complete=True)

    # ---- one large, compressed or known file

    def _one(self, job: Job) -> Parts:
        known = job.known
        if known is not None and _has_grown(job, known):
            yield from self._grown(job, known)
            return
        if known is not None and _is_same(job, known):
            yield touch(job)
            return
        if job.maybe_copy and known is None and not (yield self._question(job)):
            return
        with sources.open_source(job.found) as reader:
            yield from self._stream(job, reader)

    def _question(self, job: Job) -> Part:
        """Ask whether this content is wanted: its hash, and the runs that its beginning speaks of."""
        with sources.open_source(job.found) as reader:
            raw = reader.read(CHUNK)
        started = _start(job, raw)
        if isinstance(started, Part):
            return Part(job.found.path, ASK, None, {"content_hash": None})
        if not isinstance(started.parser, WholeParser):
            self._read_stretch(started, raw, final=False)
        return Part(job.found.path, ASK, None, {"content_hash": _content_hash(job)}, identity=tuple(started.names)[:1])

    def _grown(self, job: Job, known: Known) -> Parts:
        hasher = BlockHasher.resume(job.found.path, known.size, known.blocks)
        reading = Reading(job, formats.parser(known.format or ""), "", hasher, resume=known)
        with sources.open_source(job.found, offset=known.bytes_read) as reader:
            for part in self._pump(reading, reader, b"", hashed=known.size - known.bytes_read):
                part.columns.pop("detected_by")
                yield part

    def read_stdin(self, known: Callable[[str], Known | None], labels: dict[str, str], wishes: Wishes) -> Parts:
        """Standard input; its path says which content it was, so that two logs piped in are two sources."""
        with sources.open_source(Found("-")) as reader:
            raw = reader.read(CHUNK)
            path = f"-/{content_hash(raw)[:12]}"
            job = Job(Found(path, size=len(raw)), known(path), labels, wishes=wishes)
            yield from self._guarded(job, self._stream(job, reader, raw))

    def _stream(self, job: Job, reader: Reader, raw: bytes = b"") -> Parts:
        raw = raw or reader.read(CHUNK)
        started = _start(job, raw)
        if isinstance(started, Part):
            if compression_of(job.found.path):
                _look_for_bomb(reader)
            yield started
        elif isinstance(started.parser, WholeParser):
            raw += _rest(reader, started.parser.max_bytes - len(raw))
            started.hasher.update(raw)
            started.document(raw)
            yield started.part(complete=True)
        else:
            yield from self._pump(started, reader, raw)

    def _pump(self, reading: Reading, reader: Reader, raw: bytes, hashed: int = 0) -> Parts:
        """Read to the end, a stretch at a time; ``hashed`` bytes at the beginning are in the hash already."""
        raw = raw or reader.read(CHUNK)
        while raw:
            ahead = reader.read(CHUNK)
            reading.hasher.update(raw[hashed:])
            hashed = max(0, hashed - len(raw))
            self._read_stretch(reading, raw, final=not ahead and not reader.growing)
            raw = ahead
            if reading.raw >= PART and raw:
                yield reading.part(complete=False)
        yield reading.part(complete=True)

    def _read_stretch(self, reading: Reading, raw: bytes, *, final: bool) -> None:
        stretch = reading.feed(raw, final=final)
        if stretch is None:
            return
        if isinstance(reading.parser, LineParser):
            reading.fold(self.engine(reading.parser).scan(stretch.data, stretch.numbers))
        else:
            reading.fold(json_lines(stretch))

    def _member(self, job: Job, reader: Reader) -> Parts:
        """A file in an archive; one whose bytes are as known keeps its rows."""
        known = job.known
        for part in self._stream(job, reader):
            same = known is not None and part.mode == REPLACE and part.complete and is_current(known)
            yield touch(job) if same and known and part.columns.get("content_hash") == known.content_hash else part

    def _archive(self, job: Job) -> Parts:
        try:
            for found, reader in sources.members(job.found):
                member = Job(found, job.members.get(found.path), job.labels)
                if reader is None:
                    yield outcome(member, found.status or "failed", found.reason)
                else:
                    yield from self._guarded(member, self._member(member, reader))
        except (LlmstatsError, OSError) as why:
            yield outcome(job, "failed", str(why))

    # ---- excerpts

    def _excerpts(self, job: Job) -> Parts:
        """Logs that a document quotes; those that it quoted before and does not any more are emptied."""
        left = dict(job.members)
        for excerpt in sources.excerpts_of(job.found):
            raw = excerpt.text.encode()
            found = replace(
                job.found, path=f"{job.found.path}!/{excerpt.name}", container=job.found.path, size=len(raw),
                first_line=excerpt.first_line,
            )  # fmt: skip
            labels = {**job.labels, "excerpt": f"lines {excerpt.first_line}-{excerpt.last_line}"}
            member = Job(found, job.members.get(found.path), labels, wishes=job.wishes)
            started = _start(member, raw)
            if isinstance(started, Reading):
                left.pop(found.path, None)
                yield from self._guarded(member, self._excerpt(started, raw))
        for known in left.values():
            gone = replace(job.found, path=known.path, container=job.found.path)
            yield outcome(Job(gone, known, job.labels), "empty", "no log at this place of the document any more")

    def _excerpt(self, started: Reading, raw: bytes) -> Parts:
        started.hasher.update(raw)
        if isinstance(started.parser, WholeParser):
            started.document(raw)
        else:
            self._read_stretch(started, raw, final=True)
        yield started.part(complete=True)


def _folded(reading: Reading, scan: Scan) -> Parts:
    reading.fold(scan)
    yield reading.part(complete=True)


def _has_grown(job: Job, known: Known) -> bool:
    """Whether lines were added to a log and nothing else happened to it."""
    if known.status != "parsed" or not is_current(known) or not _is_plain(job.found) or job.found.size <= known.size:
        return False
    if isinstance(formats.parser(known.format or ""), WholeParser):
        return False
    return same_beginning(job.found.path, known.size, known.blocks)


def _is_same(job: Job, known: Known) -> bool:
    """Whether only the stat of a file changed; a hash over all of it decides."""
    if known.status != "parsed" or not is_current(known) or job.found.size != known.size:
        return False
    return _is_plain(job.found) and _content_hash(job) == known.content_hash


def _is_plain(found: Found) -> bool:
    return found.container is None and not is_stdin(found.path) and compression_of(found.path) is None


def _start(job: Job, raw: bytes) -> Reading | Part:
    """Decide what a source is by its first bytes."""
    if not raw:
        return outcome(job, "empty", "no bytes")
    refused = sources.classify(raw[:HEAD_BYTES])
    verdict = _verdict(job, raw[:HEAD_BYTES], is_text=refused is None)
    if verdict.parser is None and refused:
        return outcome(job, *refused)
    if verdict.ambiguous:
        return outcome(job, "ambiguous", "could be " + " or ".join(verdict.ambiguous))
    if verdict.parser is None:
        return outcome(job, "unrecognised", glance(job.found.path, raw[:HEAD_BYTES]))
    return Reading(job, verdict.parser, verdict.reason, BlockHasher())


def _verdict(job: Job, raw: bytes, *, is_text: bool) -> formats.Verdict:
    """What a user's table says, else what the file says, else what the user asked for."""
    place = Place(job.found.path, job.found.mtime_ns / 1e9)
    if job.table is not None:
        return formats.Verdict(parser_by(job.table), f"files = {job.table.files!r} in {job.table.base}/llmstats.toml")
    verdict = detect(place, raw, is_text=is_text)
    if verdict.parser or verdict.ambiguous or not is_text or is_prose(job.found.path):
        return verdict
    asked = formats.parser(job.wishes.fallback) if job.wishes.fallback else _asked_before(job)
    reason = asked.detect(head_of(place, raw)) if asked else None
    return formats.Verdict(asked, f"asked for; {reason}") if reason else verdict


def _asked_before(job: Job) -> Parser | None:
    """The format that a user asked for when the file was first read."""
    known = next((p for p in formats.parsers() if job.known and p.name == job.known.format), None)
    return known if known and known.on_request else None


def detect(place: Place, raw: bytes, *, is_text: bool = True) -> formats.Verdict:
    """Which format a file is by its first bytes; formats of text are only asked of what may be one."""
    binary = formats.detect_binary(Head(place, "", raw))
    if binary.parser or binary.ambiguous or not is_text:
        return binary
    return formats.detect(head_of(place, raw))


def head_of(place: Place, raw: bytes) -> Head:
    """What detection sees of a text."""
    stretch = Normaliser().feed(raw, final=True)
    return Head(place, stretch.data.decode("utf-8", "backslashreplace") if stretch else "", raw)


def _rest(reader: Reader, limit: int) -> bytes:
    pieces, size = [], 0
    while piece := reader.read(CHUNK):
        size += len(piece)
        if size > limit:
            raise sources.TooLarge(f"larger than the format reads in one piece ({limit >> 20} MiB more)")
        pieces.append(piece)
    return b"".join(pieces)


def _look_for_bomb(reader: Reader) -> None:
    """Read on for a while, so that a bomb is called one whatever its first bytes are."""
    left = sources.LIMITS.free_bytes + CHUNK
    while left > 0 and (raw := reader.read(CHUNK)):
        left -= len(raw)


def content_hash(raw: bytes) -> str:
    """The hash of a content that is at hand."""
    hasher = BlockHasher()
    hasher.update(raw)
    return hasher.content_hash()


def _content_hash(job: Job) -> str:
    hasher = BlockHasher()
    with sources.open_source(job.found) as reader:
        while raw := reader.read(CHUNK):
            hasher.update(raw)
    return hasher.content_hash()
