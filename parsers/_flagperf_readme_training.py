"""Training tables of FlagPerf's pages: one run per row.

Two generations: ``配置, precision, fix_hp, e2e_time, p_whole, …, mem`` (LLM cases: ``token/p/s, loss, mem, MFU``;
Paddle: ``config, parallel_strategy, throughput, memory``) and the older ``训练资源, 配置文件, 运行时长(s), …``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.documents import number
from llmstats.records import Event, Item, Measurement, Run

from ._flagperf_readme import (
    GIB,
    Layout,
    Meaning,
    Page,
    amount,
    is_blank,
    is_nvidia_chip,
    layout,
    measured,
    parallelism,
    vendor_of,
)
from ._markdown import Row, Table

#: First cells of a header.
PLACES = ("配置", "训练资源", "分布式训练方式")
#: Any of these makes it a table of results.
RESULTS = ("token/p/s", "p_whole", "p_train", "throughput", "性能", "e2e_time", "运行时长")

_DAY = 86400.0
_CONFIG = {
    "config": "config_file", "配置文件": "config_file", "fix_hp": "fix_hp", "parallel_strategy": "parallel_strategy",
    "是否精度对齐": "accuracy_aligned", "bs": "batch_size",
}  # fmt: skip
_SAMPLES = {"p_whole": "incl_evaluation", "p_train": "excl_evaluation", "p_core": "compute_only"}
_ACCURACY = ("acc", "accuracy", "acc1", "final_acc1", "final_accuracy", "收敛精度", "收敛精度(top1)", "精度")
_TIMES = ("e2e_time", "e2e_time(s)", "运行时长(s)", "运行时长(秒)")
_MEANINGS = {
    **{k: Meaning("samples_per_second", f"samples_per_second@{v}") for k, v in _SAMPLES.items()},
    "性能(samples/s)": Meaning("samples_per_second"),
    "性能(samples/秒)": Meaning("samples_per_second"),
    "性能(seq/s)": Meaning("samples_per_second"),
    "性能(ntokens/s)": Meaning("tokens_per_second"),
    "性能(tokens/s)": Meaning("tokens_per_second"),
    "token/p/s": Meaning("tokens_per_second_per_device", "tgs@flagperf_case"),
    **{k: Meaning("accuracy", share=True) for k in _ACCURACY},
    "mlm_acc": Meaning("accuracy", "accuracy@masked_lm", share=True),
    "final_mlm_accuracy": Meaning("accuracy", "accuracy@masked_lm", share=True),
    "mlm_accuracy": Meaning("accuracy", "accuracy@masked_lm", share=True),
    "lambada_acc": Meaning("accuracy", subject="LAMBADA", share=True),
    "map": Meaning("mean_average_precision", share=True),
    "收敛精度(map)": Meaning("mean_average_precision", share=True),
    "auc": Meaning("roc_auc", share=True),
    "final_nuv": Meaning("novel_unique_valid", share=True),
    "loss": Meaning("loss"),
    "final_loss": Meaning("loss", "loss@final_evaluation"),
    "收敛train_loss": Meaning("loss"),
    "lmlossvalue": Meaning("loss"),
    "val_loss": Meaning("loss", subject="validation"),
    "收敛val_loss": Meaning("loss", subject="validation"),
    "ppl": Meaning("perplexity"),
    "lmlossppl": Meaning("perplexity"),
    "final_ppl": Meaning("perplexity"),
    "final_bleu": Meaning("bleu"),
    **{k.lower(): Meaning(k) for k in ("rouge1", "rouge2", "rougeL", "rougeLsum")},
    "steps数": Meaning("training_steps"),
    "epoch数": Meaning("training_epochs"),
    "mfu": Meaning("mfu", "mfu@flagperf_rated_peak", share=True),
}
#: Columns with a value per task, divided by ``&&``.
_PER_TASK = re.compile(r"(?:收敛)?map(?:精度)?[_(]bbox&&(?:map_)?segm\)?")
_SUBSET = re.compile(r"acc\((?P<subset>[\w-]+)\)")
_FORMULA = re.compile(r"(?P<left>[\d.]+(?:\s*[*x×/]\s*[\d.]+)+)\s*=\s*(?P<value>[\d.,]+)\s*(?P<unit>tokens?/s)", re.I)
_MEMORY_PART = re.compile(r"(\d+(?:\.\d+)?)\s*[*x×]\s*\d+")
_PRECISION = re.compile(r"[^\s,，;(（]+")
_IN_WORDS = re.compile(r"数据精度\s*=\s*([\w+]+)")
_FRAMEWORK = re.compile(r"[A-Za-z][A-Za-z_-]*[A-Za-z]")
_CALLED = {"torch": "pytorch", "paddlepaddle": "paddle"}


def is_training(header: list[str]) -> bool:
    """Whether a header is one of a training's results."""
    return bool(header) and header[0] in PLACES and any(known in name for name in header for known in RESULTS)


def column_key(name: str) -> str:
    """A column's name in the form that the tables of meanings use."""
    folded = name.replace("（", "(").replace("）", ")").replace(" ", "").lstrip("*")
    return folded.lower().replace(">", "")  # a terminal's mark where it broke the line


def training(page: Page, table: Table, first: int) -> Iterator[Item]:
    """Runs of one table; ``first`` is the ordinal of its first row on the page."""
    model, empty = None, 0
    for ordinal, row in enumerate(table.rows, first):
        if _is_group(row):
            model = row.cells[0]
            continue
        reading = _Reading(page, table, row, f"{page.name}/{ordinal}", model)
        empty += reading.is_empty
        yield from reading.items()
    page.remark_empty(empty, table)


def _is_group(row: Row) -> bool:
    """``| LLaMA-13B | ------- | ------- |``: the model of the rows below."""
    rest = row.cells[1:]
    return not is_blank(row.cells[0]) and bool(rest) and all(cell and set(cell) == {"-"} for cell in rest)


class _Reading:
    """One row: its run, and its values as they are found."""

    def __init__(self, page: Page, table: Table, row: Row, name: str, model: str | None) -> None:
        self.page, self.row = page, row
        self.cells = {column_key(k): c for k, c in zip(table.header, row.cells, strict=False)}
        self.raw = {column_key(k): k for k in table.header}
        self.run = Run(name, page.place.path, kind="training", model=model, environment=dict(page.environment))
        self.found: list[Measurement] = []
        for key, cell in self.cells.items():
            if not is_blank(cell):
                self._cell(key, cell)

    @property
    def is_out_of_memory(self) -> bool:
        return any(cell.upper() == "OOM" for cell in self.row.cells)

    @property
    def is_empty(self) -> bool:
        """Whether the row publishes nothing that was measured."""
        return not self.found and not self.is_out_of_memory

    def items(self) -> Iterator[Item]:
        if self.is_empty:
            return
        self._facts()
        yield from self.found
        if self.is_out_of_memory:
            self.run.status = "failed"
            yield Event(self.run.name, "oom", "OOM", self.row.line)
        yield self.run

    # ---- values

    def _cell(self, key: str, cell: str) -> None:
        config = self.run.config
        if key in _CONFIG:
            config[_CONFIG[key]] = cell
        elif key.startswith("目标"):
            config["target"] = cell
        elif key in ("mem", "memory"):
            self._memory(key, cell)
        elif key in _TIMES:
            self._time(key, cell)
        elif key == "throughput":
            self._throughput(key, cell)
        elif _PER_TASK.fullmatch(key) or (key == "map" and "&&" in cell):
            parts = [part.strip() for part in cell.split("&&")]
            for task, part in zip(("bbox", "segm"), parts, strict=False):
                self._value(Meaning("mean_average_precision", subject=task, share=True), key, part)
        elif key not in _FACTS:
            self._score(key, cell)

    def _score(self, key: str, cell: str) -> None:
        """A value; ``0.657/0.655`` is what was reached and what was asked for."""
        subset = _SUBSET.fullmatch(key)
        meaning = Meaning("accuracy", subject=subset["subset"].upper(), share=True) if subset else _MEANINGS.get(key)
        reached, _, target = cell.partition("/")
        if meaning is not None and meaning.share and amount(reached.strip()) and amount(target.strip()):
            self.run.config["target"] = target.strip()
            cell = reached.strip()
        if not self._value(meaning or Meaning(self.raw[key]), key, cell) and cell.upper() != "OOM":
            self.run.config[self.raw[key]] = cell

    def _value(self, meaning: Meaning, key: str, cell: str) -> bool:
        values = list(measured(self.run.name, meaning, cell, self.row.line, self.raw[key]))
        self.found += values
        return bool(values)

    def _time(self, key: str, cell: str) -> None:
        found = amount(cell)
        self._value(Meaning("run_time", factor=_DAY if found and found.unit == "天" else 1.0), key, cell)

    def _memory(self, key: str, cell: str) -> None:
        """``28.7/40.0`` used and there, GiB; ``70.09 * 8 GB`` per device; ``46.80*2 + 38.93*2 GB`` per stage."""
        parts = [float(n) for n in _MEMORY_PART.findall(cell)]
        if parts:
            ends = [("value", parts[0])] if min(parts) == max(parts) else [("min", min(parts)), ("max", max(parts))]
            self.found += [self._bytes(key, cell, n, statistic) for statistic, n in ends]
            return
        used, _, total = cell.partition("/")
        for metric, part in (("memory_used", used), ("memory_total", total)):
            self._value(Meaning(metric, factor=GIB), key, part.strip())

    def _bytes(self, key: str, cell: str, size: float, statistic: str) -> Measurement:
        name, line = self.run.name, self.row.line
        return Measurement(name, "memory_used", size * GIB, statistic, self.raw[key], cell, precision="2", line=line)

    def _throughput(self, key: str, cell: str) -> None:
        """``16.67 * 2048 / 8 = 4267 tokens/s``: per device where the formula divides by the devices."""
        formula = _FORMULA.match(cell)
        value = number(formula["value"]) if formula else None
        if formula is None or value is None:
            self._value(Meaning("tokens_per_second"), key, cell)
            return
        per_device = "/" in formula["left"]
        self.found.append(
            Measurement(
                self.run.name,
                "tokens_per_second_per_device" if per_device else "tokens_per_second",
                value,
                raw_name=self.raw[key],
                raw_value=cell,
                definition="tgs@sequences_times_length" if per_device else None,
                precision="0",
                line=self.row.line,
            )
        )

    # ---- facts

    def _facts(self) -> None:
        run, page, cells = self.run, self.page, self.cells
        model, framework = page.model_and_framework
        run.model = run.model or model or page.overview.get("模型")
        run.framework = framework or framework_of(page.environment)
        run.dataset = page.overview.get("数据集")
        run.precision = self._precision()
        config = str(run.config.get("config_file", ""))
        run.parallelism = next(
            (p for p in (cells.get("parallel", ""), parallelism(config) or "") if not is_blank(p)), None
        )
        where = next((self.row.cells[0] for key in cells if key in map(column_key, PLACES)), "")
        self._device(layout(where, config))
        if run.parallelism is None and not is_blank(page.environment.get("并行技术", "")):
            run.config["parallel_technique"] = page.environment["并行技术"]

    def _precision(self) -> str | None:
        """By the row, its changed parameters, else the page."""
        words = _IN_WORDS.search(str(self.run.config.get("fix_hp", "")))
        for text in (
            self.cells.get("precision", ""),
            words[1] if words else "",
            self.page.overview.get("数据精度", ""),
        ):
            if not is_blank(text) and "见" not in text and (word := _PRECISION.match(text)):
                if word[0] != text:
                    self.run.config["precision"] = text
                return word[0]
        return None

    def _device(self, place: Layout) -> None:
        run, page = self.run, self.page
        run.node_count, run.device_count, run.vendor = place.nodes, place.devices, page.vendor
        if place.stage:
            run.config["stage"] = place.stage
        if place.hidden and place.chip is None:
            run.vendor, run.environment = None, {}  # the page compares with a chip that it does not name
            return
        on_page = next((d.name for d in page.devices if d.name), None)
        chip = place.chip
        if chip and is_nvidia_chip(chip) and page.vendor not in (None, "NVIDIA"):
            page.remark(f"the row says {chip}, the page is about {on_page or page.vendor}", self.row.line)
            chip = on_page
        elif chip and place.memory:
            chip = f"{chip} {place.memory}GB"
        run.device = chip or on_page
        run.vendor = run.vendor or vendor_of(run.device or "")


_FACTS = frozenset({*map(column_key, PLACES), "precision", "parallel"})


def framework_of(environment: dict[str, str]) -> str | None:
    """``pytorch`` of ``pytorch-1.13.0a0+937e930``."""
    word = _FRAMEWORK.match(environment.get("训练框架版本") or environment.get("推理框架版本") or "")
    return _CALLED.get(word[0].lower(), word[0].lower()) if word else None
