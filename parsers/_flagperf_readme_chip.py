"""Chip tables of FlagPerf's pages: ``base/`` (rated against measured) and ``operation/`` (operators), with monitors.

A page of ``base/`` is one run; a page of ``operation/`` is one run per operator library (the first cell of a row).
Column names carry what was averaged (``BF16算力测试值(8卡平均)``), so they are matched by their parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstats.records import Item, Measurement, Run

from ._flagperf_readme import Meaning, Page, amount, is_blank, measured
from ._flagperf_readme_training import column_key
from ._markdown import Row, Table

_UNITS = {
    "TFLOPS": 1e12, "GFLOPS": 1e9, "TOPS": 1e12, "TB/s": 1e12, "GB/s": 1e9, "GiB/s": 2.0**30, "MB/s": 1e6,
    "TB": 1e12, "GB": 1e9, "GiB": 2.0**30, "MiB": 2.0**20, "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0,
}  # fmt: skip
_MEASURED, _RATED, _SHARE = "测试值", "标定值", "测试标定比例"
_NUMERIC_TYPE = re.compile(r"(?:BF|FP|TF|INT)\d{1,2}", re.I)
_COLLECTIVE = re.compile(r"\((all_?reduce|all_?to_?all|all_?gather|reduce_?scatter|broadcast)\)")
_BANDWIDTHS = {"算法带宽": "bandwidth@algorithm", "等效带宽": "bandwidth@bus", "双向": "bandwidth@bidirectional"}

_CPU, _KERNEL = "cpu_wall_clock", "kernel_clock"
_OPERATION = {
    "tflops(cpuwallclock)": Meaning("achieved_flops", f"achieved_flops@{_CPU}"),
    "tflops(kernelclock)": Meaning("achieved_flops", f"achieved_flops@{_KERNEL}"),
    "fu(flopsutilization)-cputime": Meaning("flops_utilisation", f"flops_utilisation@{_CPU}", factor=0.01),
    "fu-kerneltime": Meaning("flops_utilisation", f"flops_utilisation@{_KERNEL}", factor=0.01),
    "平均相对误差(withfp64-cpu)": Meaning("relative_error", statistic="mean"),
    "相对误差(withfp64-cpu)标准差": Meaning("relative_error", statistic="std"),
    "cputime": Meaning("operator_time", f"operator_time@{_CPU}"),
    "kerneltime": Meaning("operator_time", f"operator_time@{_KERNEL}"),
    "cputime吞吐": Meaning("operator_calls_per_second", f"operator_calls_per_second@{_CPU}"),
    "kerneltime吞吐": Meaning("operator_calls_per_second", f"operator_calls_per_second@{_KERNEL}"),
    "无预热时延": Meaning("operator_first_call_time", "operator_first_call_time@cold"),
    "预热后时延": Meaning("operator_first_call_time", "operator_first_call_time@warm"),
}
_MONITORS = {
    "系统平均功耗": Meaning("system_power", statistic="mean"),
    "系统最大功耗": Meaning("system_power", statistic="max"),
    "系统功耗标准差": Meaning("system_power", statistic="std"),
    "单卡平均功耗": Meaning("power", statistic="mean"),
    "单卡最大功耗": Meaning("power", statistic="max"),
    "单卡功耗标准差": Meaning("power", statistic="std"),
    "系统平均cpu占用": Meaning("cpu_utilisation", statistic="mean", factor=0.01),
    "系统平均内存占用": Meaning("host_memory_utilisation", statistic="mean", factor=0.01),
    "单卡平均温度": Meaning("temperature", statistic="mean"),
    "单卡平均显存占用": Meaning("memory_utilisation", statistic="mean", factor=0.01),
    "单卡最大显存占用": Meaning("memory_utilisation", statistic="max", factor=0.01),
}
#: What a number means where its cell has no unit.
_BARE = {"achieved_flops": 1e12, "achieved_ops": 1e12, "bandwidth": 1e9, "operator_time": 1e-6}


def is_chip(header: list[str]) -> bool:
    """Whether a header is one of ``base/`` or ``operation/``; monitors alone do not make a page of results."""
    keys = list(map(column_key, header))
    return keys[:1] == ["评测项"] and (any(_MEASURED in k for k in keys) or any(k in _OPERATION for k in keys))


def is_monitor(header: list[str]) -> bool:
    return header[:1] == ["监控项"] and any(column_key(k).partition("(")[0] in _MONITORS for k in header)


def chip(page: Page) -> Iterator[Item]:
    """Runs of all tables of the page."""
    runs: dict[str, Run] = {}
    published: set[str] = set()
    for table in page.tables:
        if is_chip(table.header) or is_monitor(table.header):
            for row in table.rows:
                run = _run_of(page, runs, row)
                values = list(_row(page, run, table, row))
                published |= {m.run for m in values if m.metric}
                yield from values
    for run in runs.values():
        if run.name in published:
            yield run
        else:
            page.remark("the page publishes no value", 1, run.name)


def _run_of(page: Page, runs: dict[str, Run], row: Row) -> Run:
    """The run of a row: ``评测结果`` and ``监控结果`` speak of the whole page, else the library is named."""
    library = re.sub(r"(?:评测|监控)结果$", "", row.cells[0]).strip()
    if library not in runs:
        runs[library] = _new_run(page, library)
    return runs[library]


def _new_run(page: Page, library: str) -> Run:
    name = f"{page.name}/{library}" if library else page.name
    run = Run(name, page.place.path, kind="microbenchmark", vendor=page.vendor, framework=library or None)
    run.environment = dict(page.environment)
    run.device = next((d.name for d in page.devices if d.name), None) or (page.path[4] if len(page.path) > 4 else None)
    for said in (page.place.stem, page.case or ""):
        if (found := _NUMERIC_TYPE.search(said)) and run.precision is None:
            run.precision = found[0].upper()
    servers, cards = (amount(run.environment.get(k, "")) for k in ("服务器数量", "单服务器内使用卡数"))
    run.node_count = int(servers.low) if servers else None
    run.device_count = int(servers.low * cards.low) if servers and cards else None
    return run


def _row(page: Page, run: Run, table: Table, row: Row) -> Iterator[Measurement]:
    cells = dict(zip(map(column_key, table.header), row.cells, strict=False))
    for (key, cell), raw in zip(cells.items(), table.header, strict=False):
        if is_blank(cell) or key in ("评测项", "监控项"):
            continue
        plain = key.partition("(")[0]
        if _MEASURED in key:
            yield from _result(page, run, key, cell, raw, cells, row)
        elif key.startswith(_SHARE):
            yield from _of_case(page, measured(run.name, Meaning("share_of_rated", factor=0.01), cell, row.line, raw))
        elif _RATED in key:
            run.config["rated"] = cell
        elif key in _OPERATION:
            yield from _of_case(page, _scaled(run, _OPERATION[key], cell, row, raw))
        elif plain in _MONITORS:
            yield from measured(run.name, _MONITORS[plain], cell, row.line, raw)
        else:
            run.config[raw] = cell.lstrip(": ")


def _of_case(page: Page, values: Iterator[Measurement]) -> Iterator[Measurement]:
    for value in values:
        value.subject = page.case
        yield value


def _scaled(run: Run, meaning: Meaning, cell: str, row: Row, raw: str) -> Iterator[Measurement]:
    """A value in the unit that is glued to it."""
    found = amount(cell)
    factor = _UNITS.get(found.unit) if found else None
    if factor is None and meaning.factor == 1.0:
        factor = _BARE.get(meaning.metric)
    yield from measured(run.name, meaning._replace(factor=factor or meaning.factor), cell, row.line, raw)


def _result(
    page: Page, run: Run, key: str, cell: str, raw: str, cells: dict[str, str], row: Row
) -> Iterator[Measurement]:
    """``259.2TFLOPS``, ``467.87GB/s``, ``39.18GiB(42.07GB)``: the quantity is in the column's name."""
    meaning = _quantity(page, run, key, row)
    found = amount(cell)
    if meaning.metric == "memory_total" and found and not found.unit:
        rated = next((amount(c) for k, c in cells.items() if _RATED in k), None)
        if rated is None or rated.unit not in _UNITS:
            page.remark("a capacity without a unit", row.line, cell)
            return
        meaning = meaning._replace(factor=_UNITS[rated.unit])
    collective = _COLLECTIVE.search(key)
    for value in _of_case(page, _scaled(run, meaning, cell, row, raw)):
        value.subject = value.subject or key.partition(_MEASURED)[0]
        if collective:
            value.conditions["collective"] = collective[1]
        yield value


def _quantity(page: Page, run: Run, key: str, row: Row) -> Meaning:
    average = "mean" if "平均" in key else "value"
    if "带宽" in key:
        definition = next((d for word, d in _BANDWIDTHS.items() if word in key), None)
        return Meaning("bandwidth", definition, statistic=average)
    if "容量" in key:
        return Meaning("memory_total", "memory_total@largest_allocation", statistic=average)
    named = _NUMERIC_TYPE.match(key)
    if named and run.precision is None:
        run.precision = named[0].upper()
    elif named and named[0].upper() != run.precision:
        page.remark(f"the column says {named[0].upper()}, the page is about {run.precision}", row.line, key)
    if (run.precision or "").startswith("INT"):
        return Meaning("achieved_ops", statistic=average)
    return Meaning("achieved_flops", "achieved_flops@device_mean" if average == "mean" else None, statistic=average)
