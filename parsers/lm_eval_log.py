"""What lm-evaluation-harness prints: the line with the model, then tables of tasks and of groups.

Source: ``make_table`` of ``lm_eval/utils.py`` (before v0.4: ``evaluator.py``) and the end of ``__main__.py``.
Tables show four decimals and aliases instead of tasks; versions before v0.4 print the whole result as JSON too,
and then its full values count.  Several evaluations may follow each other in one log.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from llmstats.documents import Json, number
from llmstats.errors import ParseError
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Event, Item, Points, Run
from llmstats.training import run_name

from ._evaluation import is_bar
from ._lm_eval import Evaluation, Value, asked, numeral, settle, spelled
from ._lm_eval_json import result_items
from ._samples_lm_eval import LOG_SAMPLES

_ASKED = re.compile(
    r"(?P<backend>[\w./-]+) \((?P<args>.*?)\), (?:gen_kwargs: \(.*?\), )?limit: (?P<limit>[\w.]+), "
    r"(?:provide_description: \w+, )?num_fewshot: (?P<shots>\w+), batch_size: (?P<batch>[\w:.]+)(?: \(.*\))?\s*$"
)
_HEADER = re.compile(r"^\| *(?:Tasks?|Groups) *\| *Version *\|(?:[^|\n]*\|)*? *Metric *\|", re.M)
_SIGNS = re.compile(
    r"^.{0,120}Running (?:loglikelihood|loglikelihood_rolling|generate_until|greedy_until|multiple_choice) requests"
    r"|^.{0,120}Selected Tasks: \["
    r"|\[(?:lm_eval|__main__|evaluator|api)(?:\.[\w.]+)?:\d+\] (?:Building contexts|Setting random seed)",
    re.M,
)
_WORDS = ("requests", "Selected Tasks", "Building contexts", "Setting random seed")
#: Texts that may quote the other lines.
_PROSE = (".md", ".rst", ".html", ".ipynb")
_ERROR = re.compile(r"[\w.]*(?:Error|Exception|Interrupt)\b.*")
_TRACEBACK = "Traceback (most recent call last)"


class LMEvalLog(DocumentParser):
    """One run per evaluation of the log; the same as the result's where nothing has another alias than its name."""

    name = "lm_eval_log"
    version = 1
    title = "lm-evaluation-harness: printed tables and logs"
    writes = "lm-evaluation-harness"
    documents = True
    samples = LOG_SAMPLES

    def detect(self, head: Head) -> str | None:
        if "Version" in head.text and _HEADER.search(head.text):
            return "table of tasks, versions and metrics"
        if head.place.name.endswith(_PROSE):
            return None
        if any(word in head.text for word in _WORDS) and _SIGNS.search(head.text):
            return "lines of lm_eval's evaluator"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        lines = text.split("\n")
        if not lines[-1].rstrip().endswith(("|", "}")):
            lines.pop()  # behind the last newline: nothing, or half a line; a row of a table closes itself
        places = [i for i, line in enumerate(lines, 1) if not is_bar(line)]
        for item in _items([lines[i - 1] for i in places], place):
            if not isinstance(item, (Run, Points)) and item.line is not None:
                item.line = places[item.line - 1]
            yield item


def _items(lines: list[str], place: Place) -> Iterator[Item]:
    """Items at the lines that are left without progress bars."""
    base = "/".join(p for p in (place.parent(), place.stem) if p)
    parts = _parts(lines)
    for index, part in enumerate(parts):
        yield from _part(part, run_name(base, index), place.directory())
    if not parts:
        yield from _nothing(lines, base, place.directory())


@dataclass(slots=True)
class _Part:
    """One evaluation of a log: the printed object, the line with the model, the tables."""

    document: Json | None = None
    asked: re.Match[str] | None = None
    label: str = ""  #: a line of the user's own directly above a table
    tables: list[tuple[int, list[str]]] = field(default_factory=list)  #: (line of the header, its rows too)

    @property
    def closed(self) -> bool:
        return bool(self.tables)


def _parts(lines: list[str]) -> list[_Part]:
    """Evaluations in order; a table of groups goes with the table of tasks before it."""
    parts: list[_Part] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        groups = line.startswith("|") and line[1:].lstrip().startswith("Groups")
        if line == "{" and (found := _document(lines, at)):
            _open(parts).document, at = found
        elif match := _ASKED.match(line) if ", limit: " in line else None:
            _open(parts).asked = match
        elif line.startswith("|") and line.rstrip().endswith("|") and _HEADER.match(line):
            part = parts[-1] if groups and parts else _open(parts)
            if not part.closed:
                part.label = _label(lines, at)
            part.tables.append((at + 1, _table(lines, at)))
            at += len(part.tables[-1][1]) - 1
        at += 1
    return parts


def _open(parts: list[_Part]) -> _Part:
    """The evaluation that is being told; a new one where the last has its tables."""
    if not parts or parts[-1].closed:
        parts.append(_Part())
    return parts[-1]


def _label(lines: list[str], at: int) -> str:
    above = lines[at - 1].strip() if at else ""
    return above if len(above) <= _SHORT and not _ASKED.match(above) and not above.startswith(("|", "}")) else ""


_SHORT = 60


def _document(lines: list[str], at: int) -> tuple[Json, int] | None:
    """The object that begins at a line of its own and ends at one, with the index of its last line."""
    if at + 1 >= len(lines) or not lines[at + 1].lstrip().startswith('"results":'):
        return None
    try:
        end = lines.index("}", at)
        return Json("\n".join(lines[at : end + 1]) + "\n", at + 1), end
    except (ValueError, ParseError):  # cut, or something printed into it: the table below says the same
        return None


def _table(lines: list[str], at: int) -> list[str]:
    end = at
    while end < len(lines) and lines[end].startswith("|") and lines[end].rstrip().endswith("|"):
        end += 1
    return lines[at:end]


# --------------------------------------------------------------------------- one evaluation


def _part(part: _Part, name: str, root: str) -> Iterator[Item]:
    """Items of one evaluation; where the object was printed the rounded table adds nothing."""
    run = Run(name, root, kind="evaluation")
    if part.document is not None:
        for item in result_items(part.document, name, root):
            if isinstance(item, Run):
                run = item
            else:
                yield item
    elif part.tables:
        evaluation = _evaluation(part, name, root)
        yield from evaluation.measurements()
        settle(run, evaluation)
    _asked(run, part)
    yield run


def _asked(run: Run, part: _Part) -> None:
    match = part.asked
    asked(run, match["backend"] if match else run.config.get("backend"), match["args"] if match else None)
    if match:
        run.config |= {"batch_size": match["batch"]} if "batch_size" not in run.config else {}
    if part.label:
        run.config["label"] = part.label


def _evaluation(part: _Part, name: str, root: str) -> Evaluation:
    evaluation = Evaluation(name, root)
    versions: dict[str, str] = {}
    shots: dict[str, str] = {}
    if part.asked:
        evaluation.limit = numeral(part.asked["limit"])
        evaluation.all_shots = numeral(part.asked["shots"])
        evaluation.model_args = spelled(part.asked["args"])
    seen: set[tuple[str, str, str]] = set()
    for line, rows in part.tables:
        values = [v for v in _values(line, rows, versions, shots) if (v.task, v.metric, v.filter) not in seen]
        evaluation.values += values
        seen |= {(v.task, v.metric, v.filter) for v in values}
    evaluation.versions, evaluation.shots = versions, shots
    evaluation.percent = any(v.metric in _SHARES and v.number > 1 and not v.stderr for v in evaluation.values)
    return evaluation


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip()[1:-1].split("|")]


_RULE = frozenset("|-: ")
#: Scores of all tasks that cannot be above 1.
_SHARES = ("acc", "acc_norm")


def _values(line: int, rows: list[str], versions: dict[str, str], shots: dict[str, str]) -> Iterator[Value]:
    """Values of one table; a row without a task continues the one above."""
    columns = {title: i for i, title in enumerate(_cells(rows[0])) if title}
    task = ""
    for offset, row in enumerate(rows[1:], 1):
        cells = _cells(row)
        if len(cells) != len(_cells(rows[0])) or not set(row) - _RULE:
            continue
        given = {title: cells[i] for title, i in columns.items()}
        if cells[0]:
            task = cells[0].lstrip("- ")
            versions[task] = given.get("Version", "")
        if given.get("n-shot"):
            shots[task] = given["n-shot"]
        yield from _row(task, given, line + offset)


def _row(task: str, given: dict[str, str], line: int) -> Iterator[Value]:
    for column, stderr in (("Value", False), ("Stderr", True)):
        raw = given.get(column, "")
        plain = number(raw)
        if plain is not None:
            decimals = str(len(raw.partition(".")[2]))
            yield Value(task, given["Metric"], given.get("Filter", ""), plain, raw, line, stderr, decimals)


def _nothing(lines: list[str], name: str, root: str) -> Iterator[Item]:
    """A log without a result: still running, or failed with what its last traceback ends with."""
    run = Run(name, root, kind="evaluation")
    asked(run, None, None)
    begins = [i for i, line in enumerate(lines) if _TRACEBACK in line]
    if begins:
        run.status = "failed"
        end = next((i for i in range(begins[-1] + 1, len(lines)) if _ERROR.match(lines[i])), begins[-1])
        kind = "oom" if "out of memory" in lines[end].lower() else "error"
        yield Event(name, kind, lines[end].strip()[:2000], end + 1)
    yield run
