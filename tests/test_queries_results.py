"""`results`: published tables and logged results of several vendors, side by side."""

import pytest

import llmstats
from llmstats.records import Event, Measurement, Run

from .store_deltas import Source, fresh_store, points

GIB = 2.0**30
SPEED = "tokens_per_second_per_device"


class Bench:
    def __init__(self, path):
        self.path = str(path)
        self.store = fresh_store(path)

    def add(self, path, run, *items):
        self.store.commit([Source(path).replace(run, *items)])

    def ask(self, query="results", **parameters):
        answer = llmstats.open(self.path).query(query, **parameters)
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "s.duckdb")


def result(name, *values, kind="training", **facts):
    """A run and its values, given as (metric, value) or (metric, value, more fields), on lines from 11."""
    run = Run(name, f"/w/{name}", kind=kind, **facts)
    rows = [(metric, value, rest[0] if rest else {}) for metric, value, *rest in values]
    return run, *(Measurement(name, m, v, line=n, **more) for n, (m, v, more) in enumerate(rows, 11))


def test_a_training_row(bench):
    facts = {"model": "toy_7b", "vendor": "Toy", "device": "X1", "device_count": 16, "node_count": 2}
    bench.add(
        "/w/README.md",
        *result(
            "toy/1", ("loss", 2.5), (SPEED, 2071.5, {"definition": "tgs@toy"}),
            ("mfu", 0.25, {"statistic": "min", "definition": "mfu@toy"}), ("mfu", 0.5, {"statistic": "max"}),
            ("memory_used", 62 * GIB), ("memory_total", 80 * GIB), ("run_time", 60.0),
            ("accuracy", 0.41, {"subject": "MMLU"}),
            framework="megatron", precision="bf16", parallelism="TP2", config={"fix_hp": "GAS=64", "stage": "tune"},
            **facts,
        ),
    )  # fmt: skip
    (row,) = bench.ask()
    assert {k: row[k] for k in ("kind", "model", "vendor", "device", "nodes", "devices")} == {
        "kind": "training", "model": "toy_7b", "vendor": "Toy", "device": "X1", "nodes": 2, "devices": 16,
    }  # fmt: skip
    assert (row["framework"], row["precision"], row["parallelism"]) == ("megatron", "bf16", "TP2")
    assert (row["throughput"], row["unit"], row["per_device"]) == (2071.5, "token/s/device", 2071.5)
    assert (row["metric"], row["throughput_definition"], row["mfu_definition"]) == (SPEED, "tgs@toy", "mfu@toy")
    assert (row["mfu"], row["mfu_max"], row["loss"], row["run_time"]) == (0.25, 0.5, 2.5, 60)
    assert (row["accuracy"], row["accuracy_of"]) == (0.41, "MMLU")
    assert (row["memory_used"], row["memory_total"], row["settings"]) == (62, 80, "tune; GAS=64")
    assert (row["run_id"], row["source"], row["status"]) == ("toy/1", "/w/README.md:12", None)


def test_computing_alone_is_the_headline_and_is_shared_among_devices(bench):
    values = [
        ("samples_per_second", v, {"definition": d and f"samples_per_second@{d}"})
        for d, v in ((None, 1.0), ("incl_evaluation", 300.0), ("excl_evaluation", 350.0), ("compute_only", 400.0))
    ]
    bench.add("/w/a.md", *result("a/1", *values, model="net", device_count=8))
    bench.add("/w/b.md", *result("b/1", *values[1:3], model="net"))
    first, second = bench.ask()
    assert (first["throughput"], first["per_device"], first["unit"]) == (400, 50, "sample/s")
    assert (second["throughput"], second["per_device"]) == (350, None)


def test_an_inference_row_is_about_the_vendors_engine(bench):
    bench.add(
        "/w/i.md",
        *result(
            "i/1", ("validation_throughput_core", 9.0), ("inference_throughput", 7.0, {"unit": "token/s"}),
            ("inference_throughput_core", 8.0, {"unit": "token/s", "batch_size": 4.0}),
            ("accuracy", 0.9, {"subject": "validation", "statistic": "mean"}),
            ("accuracy", 0.8, {"subject": "inference", "statistic": "mean"}),
            ("clip_score", 25.0, {"subject": "validation", "statistic": "mean"}),
            kind="inference", model="llm", config={"compiler": "trt"},
        ),
    )  # fmt: skip
    (row,) = bench.ask()
    assert (row["throughput"], row["unit"], row["metric"]) == (8, "token/s", "inference_throughput_core")
    assert (row["accuracy"], row["accuracy_of"], row["settings"]) == (0.8, "inference", "trt; bs=4")
    assert (row["score"], row["score_metric"]) == (25, "clip_score")


def test_failed_rows_come_last_and_say_why(bench):
    failed, *_ = result("a/1", model="a", status="failed")
    bench.add("/w/a.md", failed, Event("a/1", "oom", "OOM", 7))
    bench.add("/w/z.md", *result("z/1", (SPEED, 1.0), model="z"))
    assert [(r["model"], r["error"], r["source"]) for r in bench.ask()] == [
        ("z", None, "/w/z.md:11"),
        ("a", "OOM", "/w/a.md:7"),
    ]


def test_a_run_without_stated_results_is_no_row(bench):
    run, *_ = result("log/1", model="m", status="failed")
    bench.add("/w/log/a.log", run, points("log/1", [1, 2], {"loss": [2.0, 1.0]}))
    bench.add("/w/b.md", result("b/1", model="m")[0])
    bench.add("/w/c.md", *result("c/1", (SPEED, float("nan")), model="m"))
    assert bench.ask() == []


def test_inference_leaves_out_what_measured_something_else(bench):
    """An offline benchmark of a serving program is an inference, too, but no case of FlagPerf's."""
    bench.add("/w/a.md", *result("a/1", ("total_tokens_per_second", 9.0), kind="inference"))
    bench.add("/w/b.md", *result("b/1", ("inference_throughput_core", 7.0), kind="inference"))
    bench.add("/w/c.md", *result("c/1", kind="inference", status="failed"))
    assert [row["run_id"] for row in bench.ask("inference")] == ["b/1", "c/1"]


def test_filters(bench):
    for kind, model, vendor in (("training", "toy_7b", "A"), ("inference", "toy_8b", "B"), ("serving", "s", "A")):
        bench.add(
            f"/w/{model}.md", *result(f"{model}/1", (SPEED, 1.0), kind=kind, model=model, vendor=vendor, device="d")
        )
    bench.add(
        "/w/mm.md", *result("mm/1", ("achieved_flops", 2e12, {"subject": "mm"}), kind="microbenchmark", vendor="A")
    )

    def names(**asked):
        return sorted(row["run_id"] for row in bench.ask(**asked))

    assert names() == ["toy_7b/1", "toy_8b/1"]
    assert names(pick="toy_7*") == names(model="TOY_7B") == names(device="a") == names(kind="training") == ["toy_7b/1"]
    assert names(kind="microbenchmark") == names(kind="microbenchmark", model="mm") == ["mm/1"]
    assert names(kind="microbenchmark", model="add") == names(kind="serving") == []
    (row,) = bench.ask(kind="microbenchmark")
    assert (row["model"], row["throughput"], row["per_device"], row["unit"]) == ("mm", 2e12, 2e12, "FLOP/s")


def test_an_empty_store_answers_with_no_rows(bench):
    assert bench.ask() == []


def test_the_macro_answers_in_sql(bench):
    bench.add("/w/a.md", *result("a/1", (SPEED, 1.0), model="m"))
    answer = llmstats.open(bench.path).query("SELECT r.run_id, r.throughput FROM results(model := 'm') r")
    assert answer.rows == [("a/1", 1.0)]
