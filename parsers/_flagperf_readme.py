"""FlagPerf's result pages: what a page says of itself, and what its cells mean.

Source: ``README.md`` below ``training/<vendor>/<model>-<framework>``, ``inference/benchmarks/<case>``,
``base/{benchmarks,toolkits}/<case>/<vendor>/<chip>``, ``operation/benchmarks/<operator>/<vendor>/<chip>`` and
``generate/`` of FlagOpen/FlagPerf.  Cells are filled in by hand: ``/``, ``\\``, ``--``, ``*``, ``无`` and nothing at
all say that a value is not published.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from llmstats.documents import number
from llmstats.parsing import Place
from llmstats.records import Issue, Measurement

from ._flagperf import VENDORS
from ._markdown import Section, Table, sections, tables

GIB = 2.0**30

# --------------------------------------------------------------------------- cells

_NUMBER = r"[-+]?\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?"
_UNIT = r"[A-Za-zμµ°%天][A-Za-z°/]*"
_AMOUNT = re.compile(
    rf"(?P<low>{_NUMBER})\s*(?P<unit>{_UNIT})?"
    rf"(?:\s*[-~～至]\s*(?P<high>{_NUMBER})\s*(?P<unit2>{_UNIT})?)?\s*(?:[（(][^()（）]*[)）])?\s*\*?$"
)
_NOTHING = frozenset("/\\-–—*.? \t")
_WORDS_FOR_NOTHING = frozenset({"无", "n/a", "none", "nan", "null", "xxx", "tbd"})


class Amount(NamedTuple):
    """A number of a cell, or the two ends of a range, with the unit glued to it."""

    low: float
    high: float | None
    unit: str
    decimals: int

    def ends(self) -> list[tuple[str, float]]:
        """Statistic and number: one value, or both ends of the range."""
        if self.high is None:
            return [("value", self.low)]
        return [("min", min(self.low, self.high)), ("max", max(self.low, self.high))]


def is_blank(cell: str) -> bool:
    """Whether a cell publishes nothing; an unrendered template (``{{ … }}``) does not either."""
    return _NOTHING.issuperset(cell) or "{{" in cell or cell.lower() in _WORDS_FOR_NOTHING


def amount(cell: str) -> Amount | None:
    """The number of a cell (``46.4%``, ``25.4%-50.6%``, ``39.18GiB(42.07GB)``, ``260.0W``), or None for other text."""
    match = _AMOUNT.match(cell)
    if not match or is_blank(cell):
        return None
    low, high = number(match["low"]), number(match["high"] or "")
    if low is None:
        return None
    decimals = len(match["low"].lower().partition("e")[0].partition(".")[2])
    return Amount(low, high, match["unit"] or match["unit2"] or "", decimals)


def fraction(value: float, unit: str) -> float:
    """A share as people write it: ``46.4%``, 0.464, or 46.4 with the sign left out."""
    return percent(value) if unit == "%" or abs(value) > 1.0 else value


def percent(value: float) -> float:
    """A hundredth without the noise of a binary division: 46.4 gives 0.464."""
    return float(Decimal(repr(value)).scaleb(-2))


class Layout(NamedTuple):
    """What a cell like ``A100单机8卡（1x8*80G）（pretrain）`` says; None where it says nothing."""

    chip: str | None = None
    nodes: int | None = None
    devices: int | None = None  #: of all nodes together
    memory: int | None = None  #: GB that the chip is sold with
    stage: str | None = None
    hidden: bool = False  #: a ``*`` stands in place of the chip


_GRID = re.compile(r"[（(]\s*(\d{1,5})\s*[xX×*]\s*(\d{1,4})\s*(?:\*\s*(\d{1,4})\s*Gi?B?)?\s*[)）]")
_STAGE = re.compile(r"[（(]\s*([A-Za-z][\w -]{1,20})\s*[)）]\s*$")
_COUNTS = {"单": 1, "一": 1, "两": 2, "双": 2, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "十": 10}
_SPOKEN = re.compile(r"(?P<nodes>[单一两双二三四五六七八十]|\d{1,3})\s*[机台]\s*(?P<cards>单|\d{1,4})\s*卡\s*$")
_SPLITS = r"(?:(?:TP|PP|DP|SH|SP|EP|CP)\d+)"
_FILE = re.compile(rf"config_{_SPLITS}*(?P<chip>[\w.+-]{{1,40}}?)x(?P<nodes>\d{{1,5}})x(?P<cards>\d{{1,4}})(?:\.?py)?$")
_PARALLEL = re.compile(rf"config_({_SPLITS}+)")


def layout(cell: str, config: str = "") -> Layout:
    """Chip, nodes and devices of a row, from its first cell, else from the name of its configuration.

    The numbers in brackets count, not the words before them: those are often copied from another row.
    """
    stage = _STAGE.search(cell)
    text = cell[: stage.start()] if stage else cell
    grid = _GRID.search(text)
    nodes, cards, memory = (int(grid[i]) if grid and grid[i] else None for i in (1, 2, 3))
    if grid:
        text = text[: grid.start()] + text[grid.end() :]
    text, spoken_nodes, spoken_cards = _spoken(text.strip(), nodes)
    file = _FILE.match(config)
    if nodes is None and file and spoken_nodes is None:
        spoken_nodes, spoken_cards = int(file["nodes"]), int(file["nodes"]) * int(file["cards"])
    elif nodes is None and file and spoken_nodes == int(file["nodes"]):
        spoken_cards = spoken_nodes * int(file["cards"])
    chip = text.strip(" -*/\\（）()")
    return Layout(
        chip=chip or (file["chip"] if file else None),
        nodes=nodes or spoken_nodes,
        devices=nodes * cards if nodes and cards else spoken_cards,
        memory=memory,
        stage=stage[1] if stage else None,
        hidden="*" in text,
    )


def _spoken(text: str, nodes: int | None) -> tuple[str, int | None, int | None]:
    """Chip, nodes and all devices of ``A100两机16卡``; ``nodes`` tells ``H100`` + ``4机`` from ``H1004机``."""
    if nodes is not None and (known := re.search(rf"{nodes}\s*机\s*\d{{1,4}}\s*卡\s*$", text)):
        return text[: known.start()], None, None
    spoken = _SPOKEN.search(text)
    if not spoken:
        return text, None, None
    count = _COUNTS.get(spoken["nodes"]) or int(spoken["nodes"])
    cards = 1 if spoken["cards"] == "单" else int(spoken["cards"])
    return text[: spoken.start()], count, cards * count if cards <= 8 else cards


def parallelism(config: str) -> str | None:
    """``TP2PP1SH1SP4`` of ``config_TP2PP1SH1SP4A10080Gx1x8``."""
    match = _PARALLEL.match(config)
    return match[1] if match else None


# --------------------------------------------------------------------------- the page

_SUITES = ("training", "inference", "base", "operation", "generate")
_FRAMEWORKS = (
    "megatron-deepspeed", "deepspeed-torch", "tensorflow2", "tensorflow", "mindspore", "megatron", "deepspeed",
    "flagscale", "pytorch", "paddle",
)  # fmt: skip
_VENDOR_WORDS = {
    "英伟达": "nvidia", "昇腾": "ascend", "华为": "ascend", "atlas": "ascend", "寒武纪": "cambricon",
    "mlu": "cambricon", "海光": "dcu", "hygon": "dcu", "天数": "iluvatar", "昆仑芯": "kunlunxin", "沐曦": "metax",
    "摩尔线程": "mthreads", "mtt s": "mthreads", "紫霄": "zixiao",
}  # fmt: skip
_ABOUT = re.compile(r"型号|版本|内核|厂商|服务器|操作系统|TDP")
_CHIP_KEYS = ("加速卡型号", "机器、加速卡型号", "芯片/加速卡型号", "产品型号", "产品名称")
#: Chips that people leave behind when they copy another vendor's table.
_NVIDIA_CHIP = re.compile(r"(?:NVIDIA|[AH][18]00|V100|L40S?|H20|T4)\b", re.I)


def vendor_of(words: str) -> str | None:
    """The vendor that a heading, a chip's name or a tool's name speaks of."""
    low = words.lower()
    for key, name in VENDORS.items():
        if key in low:
            return name
    return next((VENDORS[key] for word, key in _VENDOR_WORDS.items() if word in low), None)


def is_nvidia_chip(chip: str) -> bool:
    return bool(_NVIDIA_CHIP.match(chip))


@dataclass(slots=True)
class Device:
    """A device that a page describes."""

    name: str | None
    vendor: str | None
    environment: dict[str, str]
    section: Section


@dataclass
class Page:
    """A page: where it lies, what it says around its tables, and the issues found on the way."""

    place: Place
    text: str
    issues: list[Issue] = field(default_factory=list)

    @cached_property
    def tables(self) -> list[Table]:
        return list(tables(self.text))

    @cached_property
    def sections(self) -> list[Section]:
        return sections(self.text, depth=4)

    @cached_property
    def path(self) -> tuple[str, ...]:
        """Directories from ``training``, ``inference`` … down to the page; empty where it lies elsewhere."""
        parts = self.place.parts[:-1]
        for at in range(len(parts) - 1, -1, -1):
            if parts[at] in _SUITES and _is_suite(parts[at:]):
                return parts[at:]
        return ()

    @property
    def name(self) -> str:
        """What the runs of the page are called: the path in FlagPerf's tree, else directory and file."""
        stem = re.sub(r"(?i)_?readme$", "", self.place.stem)
        if self.path:
            return "/".join((*self.path, stem) if stem else self.path)
        parts = (self.place.parent(), stem) if stem else (self.place.parent(2), self.place.parent())
        return "/".join(p for p in parts if p)

    @property
    def case(self) -> str | None:
        """Name of the case: ``llama3_8B-megatron``, ``resnet50``, ``computation-BF16``, ``add``."""
        return self.path[2] if len(self.path) > 2 else None

    @property
    def model_and_framework(self) -> tuple[str | None, str | None]:
        """Of a training's directory, ``<model>-<framework>``."""
        if not self.case or self.path[0] != "training":
            return None, None
        if self.path[1] == "benchmarks":
            return self.case, self.path[3] if len(self.path) > 3 else None
        for framework in _FRAMEWORKS:
            if self.case.endswith("-" + framework):
                return self.case.removesuffix("-" + framework), framework
        return self.case, None

    @cached_property
    def vendor(self) -> str | None:
        """By the path, else by the only vendor that the page speaks of."""
        at = 1 if self.path[:1] == ("training",) else 3
        folder = self.path[at] if len(self.path) > at else ""
        if folder and folder != "benchmarks":
            return VENDORS.get(folder, folder)
        named = {v for d in self.devices if (v := d.vendor)}
        return named.pop() if len(named) == 1 else None

    @cached_property
    def devices(self) -> list[Device]:
        """One per section that names a chip."""
        found = []
        for section in self.sections:
            name = next((section.facts[k] for k in _CHIP_KEYS if not is_blank(section.facts.get(k, ""))), None)
            vendor = section.facts.get("厂商", "")
            if name or not is_blank(vendor):
                title = vendor_of(f"{vendor} {name or ''}") or vendor_of(section.title) or vendor or None
                found.append(Device(name, title, _environment([section]), section))
        return found

    @cached_property
    def environment(self) -> dict[str, str]:
        """Hardware and software of the whole page."""
        return _environment([s for s in self.sections if any(_ABOUT.search(k) for k in s.facts)])

    @cached_property
    def overview(self) -> dict[str, str]:
        """The table ``指标名称 | 指标值``: task, model, data set, precision …"""
        rows = (row.cells for t in self.tables if t.header[:2] == ["指标名称", "指标值"] for row in t.rows)
        return {cells[0]: cells[1] for cells in rows if len(cells) > 1 and not is_blank(cells[1])}

    def remark(self, reason: str, line: int, excerpt: str = "") -> None:
        """A disagreement or a gap of the page; no line that failed."""
        self.issues.append(Issue(reason, line, excerpt[:500], suspect=False))

    def remark_empty(self, rows: int, table: Table) -> None:
        """Rows of a table that hold nothing but blanks and ``/``."""
        if rows:
            self.remark(f"{rows} of {len(table.rows)} rows of the table publish no value", table.line)


def _is_suite(path: tuple[str, ...]) -> bool:
    """Whether directories are laid out as FlagPerf's, so that any folder called ``training`` is not taken for one."""
    if path[0] in ("inference", "operation", "base"):
        return len(path) > 2 and path[1] in ("benchmarks", "toolkits")
    return len(path) in (3, 4) if path[0] == "training" else path[0] == "generate"


def _environment(chosen: Iterable[Section]) -> dict[str, str]:
    facts: dict[str, str] = {}
    for section in chosen:
        facts.update({k: v for k, v in section.facts.items() if not is_blank(v) and k not in facts})
        tools = [t for t in section.items.get("推理工具包", []) if not is_blank(t)]
        if tools:
            facts["推理工具包"] = ", ".join(tools)
    return facts


# --------------------------------------------------------------------------- measurements


class Meaning(NamedTuple):
    """Canonical name of a column; ``share``: percent or fraction, as people wrote it."""

    metric: str
    definition: str | None = None
    subject: str | None = None
    factor: float = 1.0
    share: bool = False
    statistic: str = "value"


def measured(run: str, meaning: Meaning, cell: str, line: int, raw_name: str) -> Iterator[Measurement]:
    """Values of a cell: one, both ends of a range, or none."""
    found = amount(cell)
    if found is None:
        return
    for end, raw in found.ends():
        yield Measurement(
            run=run,
            metric=meaning.metric,
            value=fraction(raw, found.unit) if meaning.share else raw * meaning.factor,
            statistic=meaning.statistic if end == "value" else end,
            raw_name=raw_name,
            raw_value=cell,
            definition=meaning.definition,
            subject=meaning.subject,
            precision=str(found.decimals),
            line=line,
        )
