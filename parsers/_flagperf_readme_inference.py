"""Inference tables of FlagPerf's pages (``p_infer_core``, ``acc(推理/验证)``), and those of ``generate/``.

One run per row.  The columns are the keys of the log's result (`flagperf_inference_log`), so the same metrics and
definitions come out.  A page holds rows of several vendors: the tool of a row tells which, and the section of that
vendor tells the device.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.records import Item, Measurement, Run

from ._flagperf import Case, Meaning
from ._flagperf_readme import GIB, Device, Page, amount, fraction, is_blank, measured, vendor_of
from ._flagperf_readme import Meaning as Column
from ._flagperf_readme_training import column_key, framework_of
from ._markdown import Row, Table

_RATES = {
    "p_val_whole": "p_validation_whole",
    "p_val_core": "p_validation_core",
    "p_infer_whole": "p_inference_whole",
    "p_infer_core": "p_inference_core",
}
#: Columns of the first pages alone.
_EARLY = {
    "byte_per_batch": Column("input_bytes_per_batch"),
    "infer_time": Column("inference_time_per_sample"),
}
_SECONDS = {"us": 1e-6, "μs": 1e-6, "µs": 1e-6, "ms": 1e-3}
_QUALITY = ("acc", "clipscore", "loss")
_STAGES = ("inference", "validation")
#: Engines of one vendor; others (inductor, null, FlagScale) run on anything.
_TOOLS = {"tensorrt": "NVIDIA", "torchtrt": "NVIDIA", "ixrt": "Iluvatar"}
_HUB = re.compile(r"https?://(?:hf-mirror\.com|huggingface\.co|(?:www\.)?modelscope\.cn/models)/[\w.-]+/([\w.-]+)")
_OPEN_MODEL = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)\s*开源模型")
_DATASET = re.compile(r"huggingface\.co/datasets/[\w.-]+/([\w.-]+)|/([\w-]+)\.jsonl\b")
_TENSOR_PARALLEL = re.compile(r"张量并行\D{0,6}(\d{1,4})$")
_PRECISION = re.compile(r"[^\s(（]+")


def is_inference(header: list[str]) -> bool:
    """Whether a header is one of an inference's results."""
    keys = set(map(column_key, header))
    return "precision" in keys and bool(keys & {"p_infer_whole", "p_infer_core"})


def is_generate(header: list[str]) -> bool:
    """Whether a header is one of ``generate/``'s results."""
    keys = set(map(column_key, header))
    return "gpu名称" in keys and bool(keys & {"ttft(s)", "tps", "throughput"})


def inference(page: Page, table: Table, first: int) -> Iterator[Item]:
    """Runs of one table; ``first`` is the ordinal of its first row on the page."""
    empty = 0
    for ordinal, row in enumerate(table.rows, first):
        items = list(_row(page, table, row, f"{page.name}/{ordinal}"))
        empty += not items
        yield from items
    page.remark_empty(empty, table)


def _row(page: Page, table: Table, row: Row, name: str) -> Iterator[Item]:
    cells = {column_key(k): c for k, c in zip(table.header, row.cells, strict=False)}
    raw = {column_key(k): k for k in table.header}
    run = Run(name, page.place.path, kind="inference", model=_model(page), dataset=_dataset(page))
    case = Case(run)
    _facts(page, run, cells, row)
    if (batch := amount(cells.get("bs", ""))) is not None:
        case.batch_size = batch.low
    unit = "tps" if _counts_tokens(page) else "qps"
    for key, cell in cells.items():
        if key in _RATES and amount(cell):
            case.rate(_RATES[key], cell, unit, row.line)
        elif key in ("e2e_time", "mfu"):
            case.result({"e2e_time": "e2e_time(second)", "mfu": "*MFU"}[key], cell, row.line)
        elif key in _QUALITY:
            _quality(case, key, cell, row.line, cells)
        elif key == "mem":
            _memory(case, cell, row.line)
    _as_in_the_table(case, raw)
    if any(m.value is not None for m in case.found.values()):
        yield from case.items()
        yield from _others(run, cells, raw, row)


def _as_in_the_table(case: Case, raw: dict[str, str]) -> None:
    """Leave out what is not published, and call the rest by the names of its columns."""
    names = {v: k for k, v in _RATES.items()} | {"e2e_time(second)": "e2e_time", "*MFU": "mfu"}
    case.found = {k: m for k, m in case.found.items() if m.value is not None}
    for measurement in case.found.values():
        found = amount(measurement.raw_value)
        if found is not None:
            measurement.precision = str(found.decimals)
            if measurement.metric in ("mfu", "accuracy"):
                measurement.value = fraction(found.low, found.unit)
        key = names.get(measurement.raw_name, measurement.raw_name)
        measurement.raw_name = raw.get(key, key)


def _others(run: Run, cells: dict[str, str], raw: dict[str, str], row: Row) -> Iterator[Measurement]:
    """Numbers of columns that nobody foresaw, under their own names."""
    known = {*_RATES, *_QUALITY, "e2e_time", "mfu", "mem", "bs", "precision", "推理工具", "配置"}
    for key, cell in cells.items():
        if key not in known:
            unit = found.unit if (found := amount(cell)) else ""
            meaning = _EARLY.get(key) or Column(raw[key])
            yield from measured(run.name, meaning._replace(factor=_SECONDS.get(unit, 1.0)), cell, row.line, raw[key])


def _quality(case: Case, key: str, cell: str, line: int, cells: dict[str, str]) -> None:
    """``48.2%/48.2%``: of the engine and of the framework; one number is the engine's if an engine ran."""
    parts = [part.strip() for part in cell.split("/")] if not is_blank(cell) else []
    only_validated = all(is_blank(cells.get(k, "")) for k in ("p_infer_whole", "p_infer_core"))
    validated = any(not is_blank(cells.get(k, "")) for k in ("p_val_whole", "p_val_core"))
    stages = _STAGES if len(parts) == 2 else ("validation",) if only_validated and validated else ("inference",)
    for stage, part in zip(stages, parts, strict=False):
        found = amount(part)
        if found is None:
            continue
        meaning = case.accuracy(stage)
        if key == "loss":
            meaning = Meaning("loss", definition="loss@transformer_decoder", subject=stage, statistic="mean")
        case.value(meaning, key, part, line, rounded=True)


def _memory(case: Case, cell: str, line: int) -> None:
    used, _, total = cell.partition("/")
    for metric, part in (("memory_used", used), ("memory_total", total)):
        if amount(part.strip()):
            case.value(Meaning(metric, GIB, "bytes"), "mem", part.strip(), line, rounded=True)


# --------------------------------------------------------------------------- facts


def _facts(page: Page, run: Run, cells: dict[str, str], row: Row) -> None:
    tool = cells.get("推理工具", "")
    if not is_blank(tool):
        run.config["compiler"] = tool
    if word := _PRECISION.match(cells.get("precision", "")):
        run.precision = word[0]
        if word[0] != cells["precision"]:
            run.config["precision"] = cells["precision"]
    if amount(cells.get("bs", "")) is None and not is_blank(cells.get("bs", "")):
        run.config["batch_size"] = cells["bs"]
    vendor = next((v for t, v in _TOOLS.items() if tool.lower() == t), None) or vendor_of(tool)
    if where := cells.get("配置", ""):  # ``nvidia A100``, on the first pages
        run.vendor, run.device = vendor_of(where), where.split()[-1]
        return
    device = _device(page, vendor, cells.get("mem", ""))
    if device is None:
        run.vendor = vendor
        page.remark("the page does not say on which device this was measured", row.line, " | ".join(row.cells))
    else:
        run.vendor, run.device = vendor or device.vendor, device.name
        run.environment = dict(device.environment)
        run.device_count = _device_count(device)
        run.parallelism = f"TP{run.device_count}" if (run.device_count or 0) > 1 else None
    run.framework = "FlagScale" if tool == "FlagScale" else framework_of(run.environment)


def _device(page: Page, vendor: str | None, mem: str) -> Device | None:
    """The only section of the tool's vendor; of a tool that runs on anything, the only one with as much memory."""
    fit = [d for d in page.devices if d.name and (vendor is None or d.vendor == vendor)]
    total = amount(mem.rpartition("/")[2].strip())
    if len(fit) > 1 and total is not None:
        fit = [d for d in fit if re.search(rf"(?<!\d){total.low:g}\s*Gi?B?\b", d.name or "")]
    if vendor is None and len(fit) == 1 and len(page.devices) == 1 and total is not None:
        sold = re.search(r"(?<!\d)(\d{1,3})\s*Gi?B?\b", fit[0].name or "")
        fit = fit if sold is None or float(sold[1]) == total.low else []
    return fit[0] if len(fit) == 1 else None


def _device_count(device: Device) -> int | None:
    """An inference is one process: on one card where the page says that nothing is parallel, else on those it says."""
    for words in device.section.items.get("并行策略", []):
        if match := _TENSOR_PARALLEL.search(words):
            return int(match[1])
        if words.strip(" 。.").lower() in ("none", "无"):
            return 1
    return None


def _model(page: Page) -> str | None:
    """The case of the path, else what the section on model and weights downloads; headings are often copied."""
    if page.path[:2] == ("inference", "benchmarks"):
        return page.case
    text = "\n".join(line for s in page.sections if "模型与权重" in s.title for line in s.text)
    found = _HUB.search(text) or _OPEN_MODEL.search(text)
    return found[1] if found else None


def _dataset(page: Page) -> str | None:
    text = "\n".join(line for s in page.sections if "数据集" in s.title for line in s.text)
    found = _DATASET.search(text)
    return (found[1] or found[2]) if found else None


def _counts_tokens(page: Page) -> bool:
    """Whether the rates count tokens: MMLU and language-model loss; the notes on throughput are often copied."""
    notes = [" ".join(row.cells) for table in page.tables if "指标值索引" in table.header for row in table.rows]
    return any("token数" in n or "MMLU" in n or "transformer-decoder" in n for n in notes)


# --------------------------------------------------------------------------- generate/

_GENERATE = {
    "ttft(s)": Column("ttft", "ttft@batch_of_all_requests"),
    "tps": Column("total_tokens_per_second", "total_tokens_per_second@prompt_and_new"),
    "throughput": Column("output_tokens_per_second", "output_tokens_per_second@excl_ttft"),
    "mfu": Column("mfu", "mfu@flagperf_generate", share=True),
}


def generate(page: Page, table: Table, first: int) -> Iterator[Item]:
    """Rows of ``框架名称, GPU名称, 并发数, …``."""
    title = next((s.title for s in reversed(page.sections) if s.line <= table.line), "")
    for ordinal, row in enumerate(table.rows, first):
        cells = {column_key(k): c for k, c in zip(table.header, row.cells, strict=False)}
        device, framework = (None if is_blank(cells.get(k, "")) else cells[k] for k in ("gpu名称", "框架名称"))
        run = Run(f"{page.name}/{ordinal}", page.place.path, kind="inference", framework=framework, device=device)
        run.vendor = vendor_of(f"{device} {title}")
        columns = zip(cells, table.header, strict=False)
        values = [m for key, name in columns for m in _generated(run, key, name, cells, row)]
        if values:
            yield from values
            yield run


def _generated(run: Run, key: str, name: str, cells: dict[str, str], row: Row) -> Iterator[Measurement]:
    if key not in _GENERATE:
        return
    meaning, concurrency = _GENERATE[key], amount(cells.get("并发数", ""))
    if meaning.metric == "ttft" and run.framework == "huggingface":
        meaning = meaning._replace(definition="ttft@mean_of_requests")
    for value in measured(run.name, meaning, cells[key], row.line, name):
        value.concurrency = concurrency.low if concurrency else None
        yield value
