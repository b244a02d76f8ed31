"""`serving`, `inference`, `run_list` and `source_health`: rows in the real store, answers out."""

import math

import pytest

import llmstats
from llmstats.formats import parsers
from llmstats.questions import list_queries
from llmstats.records import Event, Issue, Measurement, Run
from llmstats.store_types import REPLACE, Delta

from .store_deltas import Source, fresh_store, points

MINE = ("inference", "run_list", "serving", "source_health")


class Bench:
    """A store and questions to it; answers as dicts."""

    def __init__(self, path):
        self.path = str(path)
        self.store = fresh_store(path)

    def add(self, path, *items, labels=None):
        self.store.commit([Source(path, labels=labels).replace(*items)])

    def ask(self, name, **parameters):
        answer = llmstats.open(self.path).query(name, **parameters)
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "s.duckdb")


def cell(name, tps=100.0, *, status="completed", case=(256, 512, 8), extra=(), **facts):
    """A serving run and its values: seconds that follow from the speed, so that no two cells are alike."""
    run = Run(name, f"/w/{name}", kind="serving", status=status, **facts)
    lengths = dict(zip(("input_len", "output_len", "concurrency"), case, strict=True))
    values = [
        ("output_tokens_per_second", "value", tps),
        ("total_tokens_per_second", "value", None if tps is None else 1.5 * tps),
        ("requests_per_second", "value", None if tps is None else tps / 512),
        *((m, s, 1 / (tps or 1) * k) for k, (m, s) in enumerate(TIMES, 1)),
        *extra,
    ]
    return run, *(
        Measurement(name, metric, value, statistic, definition=f"{metric}@toy", line=line, **lengths)
        for line, (metric, statistic, value) in enumerate(values, 11)
    )


TIMES = [(m, s) for m in ("ttft", "tpot", "e2e_latency") for s in ("mean", "p50", "p90", "p99")]
REQUESTS = [("completed_requests", "value", 15.0), ("failed_requests", "value", 1.0)]


# --------------------------------------------------------------------------- serving


def test_a_cell_is_one_row_with_its_place_and_definitions(bench):
    bench.add("/w/a.log", *cell("a/1", 100.0, extra=REQUESTS, model="m", device="d", vendor="v", device_count=4))
    (row,) = bench.ask("serving")
    assert [row[k] for k in ("input_len", "output_len", "concurrency")] == [256, 512, 8]
    assert (row["output_tokens_per_second"], row["output_tokens_per_second_per_device"]) == (100, 25)
    assert (row["total_tokens_per_second"], row["requests_per_second"]) == (150, 100 / 512)
    assert [row[k] for k in ("ttft_p50", "ttft_p99", "tpot_p50", "e2e_p99")] == [0.02, 0.04, 0.06, 0.12]
    assert [row[k] for k in ("ttft", "tpot", "e2e")] == [0.01, 0.05, 0.09]
    assert (row["success"], row["status"]) == (15 / 16, "completed")
    assert (row["model"], row["device"], row["vendor"], row["device_count"]) == ("m", "d", "v", 4)
    assert (row["tps_definition"], row["ttft_definition"]) == ("output_tokens_per_second@toy", "ttft@toy")
    assert (row["run_id"], row["source"]) == ("a/1", "/w/a.log:11")


def test_a_mean_speed_counts_where_no_value_is_given(bench):
    run, first, *rest = cell("a/1", 100.0)
    first.statistic = "mean"
    bench.add("/w/a.log", run, first, *rest)
    assert [row["output_tokens_per_second"] for row in bench.ask("serving")] == [100]


def test_lengths_come_from_the_other_files_of_the_run(bench):
    bench.add("/w/a.log", *cell("a/1", 100.0))
    name, root = "a/1", "/w/a/1"
    bench.add("/w/a.json", Run(name, root, kind="serving"), Measurement(name, "success_rate", 0.5, line=3))
    (row,) = bench.ask("serving")
    assert (row["input_len"], row["success"], row["output_tokens_per_second"]) == (256, 0.5, 100)


def test_labels_fill_lengths_that_nobody_said_and_nothing_else(bench):
    labels = {"input_len": "1024", "output_len": "many", "concurrency": "64"}
    bench.add("/w/a.log", *cell("a/1", case=(None, None, 8)), labels=labels)
    (row,) = bench.ask("serving")
    assert (row["input_len"], row["output_len"], row["concurrency"]) == (1024, None, 8)


def test_a_run_that_measured_nothing_is_shown_with_what_is_known_of_it(bench):
    run = Run("a/1", "/w/a/1", kind="serving", status="failed", config={"input_len": 256, "concurrency": 4})
    event = Event("a/1", "oom", "CUDA out of memory", 7)
    late = Event("a/1", "error", "and then", 9)
    bench.add("/w/a.log", run, event, late, labels={"output_len": "512", "input_len": "1"})
    (row,) = bench.ask("serving")
    assert [row[k] for k in ("input_len", "output_len", "concurrency", "success")] == [256, 512, 4, None]
    assert (row["status"], row["error"], row["source"]) == ("failed", "CUDA out of memory", "/w/a.log:7")


def test_runs_without_an_error_line_cite_their_file(bench):
    bench.add("/w/a.log", Run("a/1", "/w/a/1", kind="serving", status="failed"))
    assert [row["source"] for row in bench.ask("serving")] == ["/w/a.log"]


def test_failed_cells_come_last(bench):
    none = [("completed_requests", "value", 0.0), ("failed_requests", "value", 16.0)]
    bench.add("/w/1", *cell("a_failed", 900.0, status="failed", model="a"))
    bench.add("/w/2", *cell("b_none", 0.0, extra=none, model="a"))
    bench.add("/w/3", *cell("c_nan", math.nan, model="a"))
    bench.add("/w/4", *cell("d_null", None, model="a"))
    bench.add("/w/5", *cell("e_good", 1.0, model="z", case=(9, 9, 9)))
    bench.add("/w/6", *cell("f_good", 1.0, model="z", case=(9, 9, 10)))
    rows = bench.ask("serving")
    assert [row["run_id"] for row in rows[:2]] == ["e_good", "f_good"]
    assert sorted(row["run_id"] for row in rows[2:]) == ["a_failed", "b_none", "c_nan", "d_null"]
    status = {row["run_id"]: row["status"] for row in rows}
    assert (status["a_failed"], status["b_none"], status["e_good"]) == ("failed", "failed", "completed")
    success = {row["run_id"]: row["success"] for row in rows}
    assert (success["b_none"], success["e_good"]) == (0, None)


def test_a_run_of_several_cases_has_a_row_each(bench):
    run, *small = cell("a/1", 100.0, case=(256, 512, 8))
    _, *large = cell("a/1", 200.0, case=(256, 512, 64))
    bench.add("/w/a.log", run, *small, *large)
    rows = bench.ask("serving")
    assert [(row["concurrency"], row["output_tokens_per_second"]) for row in rows] == [(8, 100), (64, 200)]


def test_of_two_values_the_more_precise_one_stands(bench):
    run, first, *rest = cell("a/1", 100.0)
    rounded = Measurement("a/1", first.metric, 99.0, definition="other@toy", precision="1", input_len=256.0,
                          output_len=512.0, concurrency=8.0, line=5)  # fmt: skip
    bench.add("/w/a.log", run, rounded, first, *rest)
    (row,) = bench.ask("serving")
    assert (row["output_tokens_per_second"], row["tps_definition"]) == (100, "output_tokens_per_second@toy")
    assert row["source"] == "/w/a.log:11"


def test_serving_is_filtered(bench):
    bench.add("/w/1", *cell("sweep/1", model="DeepSeek-R1", device="Ascend 910B", vendor="Ascend"))
    bench.add("/w/2", *cell("sweep/2", model="Qwen3-8B", device="NVIDIA A100", vendor="NVIDIA"))
    bench.add("/w/3", *cell("other/3"))

    def chosen(**parameters):
        return [row["run_id"] for row in bench.ask("serving", **parameters)]

    assert len(chosen()) == 3
    assert chosen(pick="sweep/*") == ["sweep/1", "sweep/2"]
    assert chosen(pick="other/3") == ["other/3"]
    assert chosen(model="deepseek-r1") == chosen(model="deep*") == ["sweep/1"]
    assert chosen(device="nvidia") == chosen(device="*A100") == ["sweep/2"]
    assert chosen(model="*r1", device="*a100") == []


def test_statistic_chooses_the_times(bench):
    bench.add("/w/a.log", *cell("a/1", 100.0))
    (row,) = bench.ask("serving", statistic="p90")
    assert [row[k] for k in ("ttft", "tpot", "e2e")] == [0.03, 0.07, 0.11]
    (row,) = bench.ask("serving", statistic="p75")
    assert [row[k] for k in ("ttft", "tpot", "e2e", "ttft_p50")] == [None, None, None, 0.02]


# --------------------------------------------------------------------------- real formats


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """All samples of the serving and inference parsers as one ingested tree."""
    folder = tmp_path_factory.mktemp("samples")
    chosen = [p for p in parsers() if p.name.startswith(("llm_profile", "lightllm", "flagperf"))]
    assert len(chosen) >= 5
    for parser in chosen:
        for i, sample in enumerate(parser.samples):
            path = folder / f"{parser.name}{i}" / sample.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(sample.text, encoding="utf-8")
    db = llmstats.open(str(folder / "x.duckdb"))
    db.ingest(str(folder), workers=1)
    return db


@pytest.mark.parametrize("name", ["serving", "inference"])
def test_every_run_of_the_samples_is_there(samples, name):
    runs = {row[0] for row in samples.query(f"SELECT run_id FROM runs WHERE kind = '{name}'").rows}
    answer = samples.query(name)
    found = {row[answer.columns.index("run_id")] for row in answer.rows}
    assert found == runs if name == "serving" else found < runs  # an inference that measured nothing has no row
    assert found
    assert all(row[answer.columns.index("source")] for row in answer.rows)


def test_sources_of_the_samples_hold_the_number(samples):
    """The line that a row cites holds the value as its file writes it."""
    answer = samples.query("serving")
    raws = dict(
        samples.query("SELECT run_id, raw_value FROM measurements WHERE metric = 'output_tokens_per_second'").rows
    )
    checked = 0
    for row in answer.rows:
        named = dict(zip(answer.columns, row, strict=True))
        if named["output_tokens_per_second"] is None:
            continue
        path, _, line = named["source"].rpartition(":")
        with open(path, encoding="utf-8", newline="\n") as file:
            assert raws[named["run_id"]] in file.read().split("\n")[int(line) - 1]
        checked += 1
    assert checked >= 5


def test_flagperf_units_are_those_of_the_case(samples):
    answer = samples.query("SELECT DISTINCT model, unit FROM inference() WHERE unit IS NOT NULL")
    units = dict(answer.rows)
    assert units["resnet50"] == "sample/s"
    assert units["llama2_7b_mmlu"] == "token/s"


def test_examples_of_the_samples_fail_visibly(samples):
    answer = samples.query("SELECT status, error FROM inference() WHERE run_id LIKE '%toy%' AND status = 'failed'")
    assert [row for row in answer.rows if "out of memory" in row[1]]


# --------------------------------------------------------------------------- inference


def case(name, core=1000.0, *, status="completed", unit="sample/s", **facts):
    run = Run(name, f"/w/{name}", kind="inference", status=status, config={"compiler": "toytrt"}, **facts)
    values = [
        ("inference_throughput_core", core, unit), ("inference_throughput", 900.0, unit),
        ("validation_throughput_core", 800.0, unit), ("validation_throughput", 700.0, unit),
        ("run_time", 12.5, "s"), ("achieved_flops", 2e12, "FLOP/s"), ("mfu", 0.25, "fraction"),
        ("memory_used", 3 * 2.0**29, "bytes"), ("memory_total", 2.0**33, "bytes"),
    ]  # fmt: skip
    items = [
        Measurement(name, m, v, unit=u, definition=f"{m}@toy", batch_size=48.0, line=line)
        for line, (m, v, u) in enumerate(values, 21)
    ]
    scores = [("validation", 0.76), ("inference", 0.75)]
    items += [Measurement(name, "accuracy", v, "mean", subject=s, line=40) for s, v in scores]
    return run, *items


def test_a_case_is_one_row(bench):
    facts = {"vendor": "v", "device": "d", "model": "resnet50", "framework": "pytorch", "precision": "fp16"}
    bench.add("/w/c.log", *case("run1/resnet50", **facts))
    (row,) = bench.ask("inference")
    assert {k: row[k] for k in facts} == facts
    assert (row["compiler"], row["batch_size"], row["run_time"], row["unit"]) == ("toytrt", 48, 12.5, "sample/s")
    speeds = [row[f"{s}_{t}"] for s in ("inference", "validation") for t in ("core", "whole")]
    assert speeds == [1000, 900, 800, 700]
    assert (row["flops"], row["mfu"], row["mfu_definition"]) == (2e12, 0.25, "mfu@toy")
    assert (row["accuracy_inference"], row["accuracy_validation"]) == (0.75, 0.76)
    assert (row["memory_used"], row["memory_total"]) == (1.5, 8)
    assert (row["run_id"], row["source"], row["status"]) == ("run1/resnet50", "/w/c.log:21", "completed")


def test_a_case_without_an_engine_cites_another_line(bench):
    bench.add("/w/c.log", *case("run1/llama", None, unit="token/s"))
    (row,) = bench.ask("inference")
    assert (row["inference_core"], row["unit"], row["source"]) == (None, "token/s", "/w/c.log:21")
    bench.add(
        "/w/d.log", Run("run2/x", "/w/run2/x", kind="inference", status="failed"), Event("run2/x", "error", "no", 3)
    )
    assert [row["source"] for row in bench.ask("inference")] == ["/w/c.log:21", "/w/d.log:3"]


def test_inference_is_filtered_and_failed_cases_come_last(bench):
    bench.add("/w/1", *case("run1/a", model="bert", vendor="nvidia", status="failed"))
    bench.add("/w/2", *case("run1/b", model="resnet50", device="Ascend 910B"))
    bench.add("/w/3", *case("run2/c", model="swin", vendor="nvidia"))

    def chosen(**parameters):
        return [row["run_id"] for row in bench.ask("inference", **parameters)]

    assert chosen() == ["run1/b", "run2/c", "run1/a"]
    assert chosen(pick="run1/*") == ["run1/b", "run1/a"]
    assert chosen(model="RES*") == ["run1/b"]
    assert chosen(device="NVIDIA") == ["run2/c", "run1/a"]


# --------------------------------------------------------------------------- run_list


def test_runs_are_listed_with_how_far_they_came(bench):
    run = Run("toy/1", "/w/toy/1", kind="training", experiment="toy", framework="f", started_at=0, ended_at=90_000_000)
    full = points("toy/1", range(1, 101), {"loss": [0.5] * 100, "lr": [0.1] * 100})
    text = points("toy/1", range(1, 51), {"loss": [0.5] * 50}, "2", rank=0)
    bench.add("/w/a.json", run, full)
    bench.add("/w/a.log", run, text)
    bench.add("/w/s.log", *cell("cell/1", extra=REQUESTS))
    serving, training = bench.ask("run_list")
    assert (training["run_id"], training["experiment"], training["attempt"]) == ("toy/1", "toy", 1)
    assert (training["first_step"], training["last_step"], training["seconds"]) == (1, 100, 90)
    assert training["values"] == 200, "what two files say counts once"
    assert (training["sources"], training["source"]) == (2, "/w/a.json")
    assert (serving["kind"], serving["values"], serving["status"]) == ("serving", 17, "completed")
    assert [row["run_id"] for row in bench.ask("run_list", kind="train*")] == ["toy/1"]
    assert [row["run_id"] for row in bench.ask("run_list", pick="cell/1")] == ["cell/1"]


def test_a_run_that_is_only_known_by_name_is_listed(bench):
    bench.add("/w/a.log", Run("toy/1", "/w/toy/1"))
    (row,) = bench.ask("run_list")
    assert (row["run_id"], row["kind"], row["values"], row["seconds"], row["sources"]) == ("toy/1", None, 0, None, 1)


# --------------------------------------------------------------------------- source_health


def file(path, status="parsed", *items, **columns):
    known = {"status": status, "content_hash": path, "bytes_read": 1, **columns}
    return Delta(path, REPLACE, None, known, list(items))


def test_trouble_comes_first_with_its_first_examples(bench):
    suspects = [Issue("not a number", n, f"loss: x{n}") for n in (9, 3, 5, 7)]
    remark = Issue("label device disagrees", None, suspect=False)
    bench.store.commit([
        file("/w/a_unknown", "unrecognised", error="no format recognises it"),
        file("/w/b_good", format="toy", lines_total=10, lines_matched=8, lines_suspect=0, detected_by="its head"),
        file("/w/c_copy", "duplicate", duplicate_of="/w/b_good"),
        file("/w/d_suspect", "parsed", remark, *suspects, format="toy", lines_suspect=4, encoding="gb18030"),
        file("/w/e_failed", "failed", error="not JSON"),
        file("/w/f_remark", "parsed", remark, lines_suspect=0),
        file("/w/g_empty", "empty"),
    ])  # fmt: skip
    rows = bench.ask("source_health")
    order = ["e_failed", "d_suspect", "f_remark", "b_good", "c_copy", "a_unknown", "g_empty"]
    assert [row["path"] for row in rows] == [f"/w/{name}" for name in order]
    failed, suspect, remarked, good, copy, *_ = rows
    assert suspect["examples"] == [f"{n}: not a number: loss: x{n}" for n in (3, 5, 7)]
    assert (suspect["suspect"], suspect["remarks"], suspect["encoding"]) == (4, 1, "gb18030")
    assert (remarked["examples"], remarked["remarks"]) == (["label device disagrees"], 1)
    assert (good["lines_total"], good["matched"], good["examples"], good["detected_by"]) == (10, 8, None, "its head")
    assert (failed["error"], copy["duplicate_of"]) == ("not JSON", "/w/b_good")
    assert [row["path"] for row in bench.ask("source_health", status="pars*")] == [
        "/w/d_suspect", "/w/f_remark", "/w/b_good"
    ]  # fmt: skip
    assert [row["path"] for row in bench.ask("source_health", path="*_copy")] == ["/w/c_copy"]


def test_long_excerpts_are_cut(bench):
    bench.store.commit([file("/w/a", "parsed", Issue("bad", 1, "x" * 1000), lines_suspect=1)])
    (row,) = bench.ask("source_health")
    assert row["examples"] == ["1: bad: " + "x" * 200]


# --------------------------------------------------------------------------- all


#: A value other than the default, per parameter; on `filled` each of them changes the answer.
OTHER = {
    "serving": {"pick": "a*", "model": "m", "device": "d", "statistic": "p90"},
    "inference": {"pick": "case/1", "model": "bert", "device": "d"},
    "run_list": {"pick": "a*", "kind": "serving"},
    "source_health": {"status": "failed", "path": "/w/1"},
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    bench = Bench(tmp_path_factory.mktemp("filled") / "s.duckdb")
    bench.add("/w/1", *cell("a/1", model="m", device="d"))
    bench.add("/w/2", *cell("b/1", model="n", device="e"))
    bench.add("/w/3", *case("case/1", model="bert", device="d"))
    bench.add("/w/4", *case("case/2", model="gpt", device="e"))
    bench.store.commit([file("/w/5", "failed")])
    return bench


def test_all_parameters_are_covered():
    known = {q.name: {p.name for p in q.parameters} for q in list_queries() if q.name in MINE}
    assert known == {name: set(values) for name, values in OTHER.items()}


@pytest.mark.parametrize(("name", "parameter"), [(n, p) for n, values in OTHER.items() for p in values])
def test_every_parameter_changes_the_answer(filled, name, parameter):
    other = filled.ask(name, **{parameter: OTHER[name][parameter]})
    assert other != filled.ask(name)
    assert other


@pytest.mark.parametrize("name", MINE)
def test_an_empty_store_answers_with_no_rows(bench, name):
    assert bench.ask(name) == []


@pytest.mark.parametrize("name", ["inference", "run_list", "serving"])
def test_rows_say_where_to_start_reading(filled, name):
    assert all(row["run_id"] and row["source"].startswith("/w/") for row in filled.ask(name))


@pytest.mark.parametrize("name", MINE)
def test_macros_answer_in_sql(filled, name):
    assert filled.ask(f"FROM {name}()") == filled.ask(name)
