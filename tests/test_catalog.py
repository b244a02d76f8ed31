"""The catalogues: every entry whole and unique, in both languages."""

import csv
import re
from importlib import resources

import pytest

from llmstats import catalog


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
