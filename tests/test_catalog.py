"""The catalogues: every entry whole and unique, in both languages."""

import csv
import json
import re
from importlib import resources

import pytest
from click.testing import CliRunner

from llmstats import catalog
from llmstats.cli import main


def rows(name):
    text = resources.files("llmstats.schemas").joinpath(name).read_text(encoding="utf-8")
    return list(csv.reader(text.splitlines()))


@pytest.mark.parametrize(("name", "width"), [("metrics.csv", 5), ("definitions.csv", 3)])
def test_rows_are_whole_and_names_unique(name, width):
    _, *entries = rows(name)
    assert [row for row in entries if len(row) != width] == []
    names = [row[0] for row in entries]
    assert sorted({n for n in names if names.count(n) > 1}) == []
    assert [row[0] for row in entries if row[0] != row[0].strip() or not row[0]] == []


def test_metrics_have_a_direction_and_both_languages():
    for metric in catalog.metrics().values():
        assert metric.direction in ("lower", "higher", "none"), metric
        assert re.search(r"[A-Za-z]", metric.description_en), metric
        assert re.search(r"[\u4e00-\u9fff]", metric.description_zh), metric


def test_definitions_have_both_languages():
    for definition in catalog.definitions().values():
        assert re.search(r"[A-Za-z]", definition.description_en), definition
        assert re.search(r"[\u4e00-\u9fff]", definition.description_zh), definition


def test_units_are_of_one_kind():
    """No ms, MB or %: seconds, bytes, fractions and tokens, alone or in a rate."""
    words = {word for m in catalog.metrics().values() if m.unit for word in re.split(r"[/()]", m.unit)}
    assert words.isdisjoint({"ms", "us", "ns", "h", "KB", "MB", "GB", "KiB", "MiB", "GiB", "%", "percent", "mW", "kW"})


FIGURES = [*catalog.FIGURES]


def numbers(row, names):
    return {name: float(row[name]) for name in names if row[name] is not None}


def test_devices_are_whole_and_unique():
    models = [row["model"] for row in catalog.devices()]
    assert sorted({m for m in models if models.count(m) > 1}) == []
    for row in catalog.devices():
        assert all(row[name] for name in ("vendor", "vendor_zh", "family", "aliases")), row
        assert row["form"] in (None, "SXM", "PCIe", "NVL", "OAM"), row
        assert int(row["parts"]) >= 1


def test_every_figure_of_a_device_has_a_source_and_a_day():
    """A figure without a public source is not there; what has no figure says so."""
    for row in catalog.devices():
        sources = json.loads(row["sources"])
        assert set(sources) == set(numbers(row, FIGURES)), row["model"]
        for text in sources.values():
            assert re.search(r"https?://\S+ \((vendor|reproduced|secondary), seen 20\d\d-\d\d-\d\d\)$", text), text
        assert sources or row["note"], row["model"]


def test_every_reference_is_used():
    words = " ".join(row[-2] for row in rows("devices.csv")[1:]).split()
    assert {word.rpartition("=")[2] for word in words} == set(catalog.references())


def test_peaks_are_dense():
    """A sparse figure beside dense ones shows: half the width gives twice the peak (integers up to four times)."""
    for row in catalog.devices():
        peaks = numbers(row, FIGURES)
        for narrow, wide in (("fp8", "fp16"), ("int8", "fp16"), ("fp8", "bf16"), ("bf16", "tf32"), ("fp16", "tf32")):
            if f"peak_{narrow}" in peaks and f"peak_{wide}" in peaks:
                most = 4 if narrow == "int8" else 2.4
                assert peaks[f"peak_{narrow}"] <= most * peaks[f"peak_{wide}"], (row["model"], narrow, wide)
        assert all(1e12 <= value < 1e16 for name, value in peaks.items() if name.startswith("peak_")), row["model"]
        assert 8 * 2**30 <= peaks.get("memory", 2**35) < 2**39
        assert 1e11 < peaks.get("memory_bandwidth", 1e12) < 1e13
        assert 50 <= peaks.get("tdp", 100) <= 2000


def test_models_are_whole_and_unique():
    names = [row["name"] for row in catalog.models()]
    assert sorted({n for n in names if names.count(n) > 1}) == []
    for row in catalog.models():
        n = numbers(row, ("parameters", "layers", "hidden", "heads", "attention_width", "vocabulary"))
        assert len(n) == 6, row
        assert row["source"], row
        if row["active_parameters"]:
            assert float(row["active_parameters"]) < n["parameters"]
        # the embedding alone is smaller than the whole, and the blocks hold at least attention and a gated MLP
        assert n["vocabulary"] * n["hidden"] < n["parameters"]
        assert n["parameters"] > n["layers"] * 2 * n["hidden"] ** 2


@pytest.mark.parametrize(
    ("name", "count"),
    [
        # as counted by summing the tensors of the published checkpoints
        ("Llama-2-7B", 6738415616), ("Llama-2-70B", 68976648192), ("Llama-3-8B", 8030261248),
        ("Llama-3.1-405B", 405853388800), ("Qwen2.5-7B", 7615616512), ("Qwen3-14B", 14768307200),
        ("Mixtral-8x7B", 46702792704), ("DeepSeek-LLM-7B", 6910365696), ("DeepSeek-V2-Lite", 15706484224),
        ("DeepSeek-V3", 671026419200), ("gpt-oss-120b", 116829156672), ("OPT-125M", 125239296),
    ],
)  # fmt: skip
def test_parameters_of_well_known_models(name, count):
    (row,) = (r for r in catalog.models() if r["name"] == name)
    assert int(row["parameters"]) == count


def test_the_listings_show_the_catalogues():
    """`llmstats devices` and `llmstats models`: every row, numbers as numbers."""
    for command, count in (("devices", len(catalog.devices())), ("models", len(catalog.models()))):
        result = CliRunner().invoke(main, [command, "--format", "json"])
        assert result.exit_code == 0
        shown = json.loads(result.stdout)
        assert len(shown) == count
    assert {type(row["layers"]) for row in shown} <= {int, float}
    (row,) = (r for r in shown if r["name"] == "Llama-3-8B")
    assert (row["parameters"], row["active_parameters"], row["vocabulary"]) == (8030261248, None, 128256)
