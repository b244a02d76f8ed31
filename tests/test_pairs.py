"""``key: value`` lines in the forms that logs really have."""

from __future__ import annotations

import pytest

from llmstats.pairs import pairs


def read(text: str, start: int = 0) -> dict[str, str]:
    """Name -> value text (with its unit), of numeric pairs only."""
    raw = text.encode().decode("latin-1")  # one character per byte, as the engine hands it over
    return {f.name: raw[f.start : f.end] + f.unit for f in pairs(raw, start) if f.kind != "skip"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lr: 2.0000e-05  loss: 1.23", {"lr": "2.0000e-05", "loss": "1.23"}),
        ("base_lr: 1.0e-04 lr: 1.0e-05  eta: 0:02:08", {"base_lr": "1.0e-04", "lr": "1.0e-05", "eta": "0:02:08"}),
        (
            "eta: 18 days, 16:13:38, time: 0.345, acc: 97.0",
            {"eta": "18 days, 16:13:38", "time": "0.345", "acc": "97.0"},
        ),
        ("acc: 0.9123data_time: 0.0100  time: 0.0210  ", {"acc": "0.9123", "data_time": "0.0100", "time": "0.0210"}),
        ("exp_tgs:  123.4 loss: -0.5", {"exp_tgs": "123.4", "loss": "-0.5"}),
        ("loss: nan  grad_norm: -inf  x: NaN", {"loss": "nan", "grad_norm": "-inf", "x": "NaN"}),
        ("max_memory: 61.20 GB tgs: 7951.5", {"max_memory": "61.20GB", "tgs": "7951.5"}),
        ("latency: 12.3ms, share: 50%", {"latency": "12.3ms", "share": "50%"}),
        ("tokens: 1,234,567, loss: 2", {"tokens": "1,234,567", "loss": "2"}),
        ("tokens: 1,234,567.5", {"tokens": "1,234,567.5"}),
        ("coco/AP .5: 0.5  coco/AP (M): -1.0000", {"coco/AP .5": "0.5", "coco/AP (M)": "-1.0000"}),
        ("IoU.traffic light: 0.25, mIoU: 0.5", {"IoU.traffic light": "0.25", "mIoU": "0.5"}),
        ("top 5: 0.3  top1@x: 1.", {"top 5": "0.3", "top1@x": "1."}),
        ("损失: 1.5  学习率: 1e-4", {"损失": "1.5", "学习率": "1e-4"}),
        ("loss:1.5 lr :2", {"loss": "1.5", "lr": "2"}),
        ("a: +1 b: .5 c: 5.", {"a": "+1", "b": ".5", "c": "5."}),
    ],
)
def test_numbers(text: str, expected: dict[str, str]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "bbox_mAP_copypaste: 0.372 0.581 0.404",
        "shape: 1,2,3",
        "version: 1.2.3",
        "sha: 12ab34",
        "host: node-7",
        "date: 2025-02-09",
        "address: 10.0.0.1",
        "ratio: 3/4",
        "x: N/A",
        "x: -",
        "x: .",
        "x: 1e",
        "list: [1, 2]",
        "no pair here 12 13",
    ],
)
def test_what_is_no_number(text: str) -> None:
    assert read(text) == {}
    assert read(text + "  loss: 1.5") == {"loss": "1.5"}


def test_starts_where_told() -> None:
    assert read("Iter: 5  loss: 1.5", 9) == {"loss": "1.5"}


def test_text_values_are_skipped_not_left_to_be_compared() -> None:
    """Digits of a text differ from line to line; they must not make every line a shape of its own."""
    raw = "bbox_copypaste: 0.372 0.581, loss: 1.5"
    assert [(f.kind, raw[f.start : f.end]) for f in pairs(raw)] == [("skip", "0.372 0.581"), ("number", "1.5")]
