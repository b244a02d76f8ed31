"""`compare` and `comparability`: composed stores, every number against an independent computation."""

import json
import math
import statistics

import pytest
from click.testing import CliRunner
from scipy import stats

import llmstats
from llmstats.cli import main
from llmstats.errors import InputError, NotFound, QueryError
from llmstats.records import Measurement, Request, Run

from .store_deltas import Source, fresh_store, points

TGS = "tokens_per_second_per_device"
TPS = "output_tokens_per_second"
OK, CAVEAT, NEVER = "comparable", "comparable with caveats", "not comparable"


class Bench:
    """A store to which runs are added one by one."""

    def __init__(self, path):
        self.path = str(path)
        self.store = fresh_store(path)
        self.pending = []
        self.added = 0

    def add(self, *values, kind="training", labels=None, **facts):
        """A run and its values, as (metric, value) or (metric, value, more fields), on lines from 11."""
        self.added += 1
        name = f"run/{self.added}"
        given = {"model": "toy_7b", "vendor": "Toy", "device": "X1", "device_count": 8, "precision": "bf16"} | facts
        run = Run(name, f"/w/{name}", kind=kind, **{k: v for k, v in given.items() if v is not None})
        rows = [
            Measurement(name, m, v, line=n, **(rest[0] if rest else {})) for n, (m, v, *rest) in enumerate(values, 11)
        ]
        self.pending.append(Source(f"/w/{name}.md", labels=labels).replace(run, *rows))
        return name

    def speeds(self, values, definition="tgs@toy", **facts):
        return [self.add((TGS, v, {"definition": definition}), **facts) for v in values]

    def cell(self, speed, device, concurrency=8.0, more=None, **facts):
        """One cell of a serving benchmark; ``more`` are further fields of the value."""
        case = {"input_len": 1024.0, "output_len": 256.0, "concurrency": concurrency, "definition": "tps@toy"}
        return self.add((TPS, speed, case | (more or {})), kind="serving", device=device, **facts)

    def ask(self, query="compare", **parameters):
        self.store.commit(self.pending)
        self.pending = []
        shown = {"detail": True} if query == "compare" else {}
        answer = llmstats.open(self.path).query(query, **shown | parameters)
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]

    def only(self, **parameters):
        """The one row that is no baseline."""
        (row,) = [r for r in self.ask(**parameters) if r["comparability"] != "baseline"]
        return row


def config(**said):
    return {"config": said}


def labels(**said):
    return {"labels": said}


def environment(**said):
    return {"environment": said}


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "s.duckdb")


# --------------------------------------------------------------------------- numbers


def test_medians_ratios_and_intervals_of_repeats(bench):
    ours, theirs = [210.0, 190.0, 205.0, 197.0], [100.0, 104.0, 99.0, 97.0, 102.0]
    bench.speeds(theirs, device="X1")
    mine = bench.speeds(ours, device="X2", device_count=8)
    base, row = bench.ask()
    assert (base["device"], base["relative"], base["comparability"], base["n"]) == ("Toy X1", 1, "baseline", 5)
    assert (row["device"], row["n"], row["comparability"], row["reason"]) == ("Toy X2", 4, "comparable", None)
    assert (row["value"], row["unit"], row["per"]) == (statistics.median(ours), "token/s/device", "device")
    assert (row["per_device"], row["per_system"]) == (statistics.median(ours), 8 * statistics.median(ours))
    low, high = stats.t.interval(0.95, 3, statistics.fmean(map(math.log, ours)), stats.sem([math.log(v) for v in ours]))
    assert (row["low"], row["high"]) == (pytest.approx(math.exp(low)), pytest.approx(math.exp(high)))
    assert row["relative"] == pytest.approx(statistics.geometric_mean(ours) / statistics.geometric_mean(theirs))
    welch = stats.ttest_ind([math.log(v) for v in ours], [math.log(v) for v in theirs], equal_var=False)
    limits = welch.confidence_interval(0.95)
    assert (row["relative_low"], row["relative_high"]) == pytest.approx((math.exp(limits.low), math.exp(limits.high)))
    assert (row["interval_method"], row["ratio_method"]) == ("t on log values", "Welch t on log values")
    assert sorted(row["runs"]) == sorted(mine)
    assert row["source"] in {f"/w/{name}.md:11" for name in mine}
    assert row["baseline_source"].startswith("/w/run/")


def test_two_repeats_get_no_interval_and_it_says_so(bench):
    bench.speeds([100.0, 101.0, 102.0])
    bench.speeds([50.0, 52.0], device="X2")
    row = bench.only()
    assert (row["value"], row["low"], row["relative_low"]) == (51, None, None)
    assert (row["interval_method"], row["ratio_method"]) == ("none: n < 3", "none: n < 3")
    assert row["relative"] == pytest.approx(math.sqrt(50 * 52) / statistics.geometric_mean([100, 101, 102]))


def test_the_level_of_the_intervals(bench):
    bench.speeds([100.0, 101.0, 102.0])
    bench.speeds([50.0, 52.0, 53.0], device="X2")
    wide, narrow = bench.only(level=0.99), bench.only(level=0.8)
    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]
    assert wide["relative_low"] < narrow["relative_low"]
    with pytest.raises(QueryError, match="between 0 and 1"):
        bench.ask(level=95)
    bench.speeds([1.0, 50.0, 1000.0], device="X3")
    endless = next(row for row in bench.ask(level=0.999999999) if row["device"] == "Toy X3")
    assert (endless["low"], endless["interval_method"]) == (None, "none: no finite limit at this level")
    assert (endless["relative_low"], endless["ratio_method"]) == (None, "none: no finite limit at this level")


def test_mfu_memory_accuracy_and_loss_stand_beside_the_speed(bench):
    gib = 2.0**30
    bench.speeds([100.0])
    for mfu, memory in ((0.30, 40), (0.34, 44), (0.35, 42)):
        bench.add(
            (TGS, 50.0 + mfu, {"definition": "tgs@toy"}), ("mfu", mfu), ("memory_used", memory * gib),
            ("accuracy", 0.7), ("loss", 2.5), device="X2",
        )  # fmt: skip
    row = bench.only(baseline="X1")
    assert (row["mfu"], row["memory"], row["accuracy"], row["loss"]) == (0.34, 42, 0.7, 2.5)


def test_the_geometric_mean_gives_each_common_model_the_same_weight(bench):
    for model, base, other in (("a", 100.0, 200.0), ("b", 100.0, 50.0), ("c", 100.0, 800.0)):
        bench.speeds([base], model=model)
        bench.speeds([other], model=model, device="X2")
    bench.speeds([100.0], model="a", parallelism="TP8")
    bench.speeds([50.0], model="a", parallelism="TP8", device="X2")
    bench.speeds([9.0], model="not on the other")
    bench.speeds([9e9], model="not on the baseline", device="X2")
    (mean,) = [row for row in bench.ask() if row["model"] == "geometric mean"]
    of_a = math.sqrt(2.0 * 0.5)
    assert mean["relative"] == pytest.approx((of_a * 0.5 * 8.0) ** (1 / 3))
    assert (mean["case"], mean["n"], mean["comparability"]) == ("3 models, 4 pairs with Toy X1", 4, "comparable")


def test_the_geometric_mean_has_an_interval_where_all_its_pairs_have_repeats(bench):
    logs = {}
    for model in "ab":
        for device, factor in (("X1", 1.0), ("X2", 2.0)):
            values = [factor * v for v in (100.0, 103.0, 98.0 + ord(model) % 7)]
            logs[model, device] = [math.log(v) for v in values]
            bench.speeds(values, model=model, device=device)
    (mean,) = [row for row in bench.ask() if row["model"] == "geometric mean"]
    parts = [statistics.variance(v) / 3 / 4 for v in logs.values()]
    freedom = sum(parts) ** 2 / sum(p**2 / 2 for p in parts)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(sum(parts))
    assert mean["relative_low"] == pytest.approx(mean["relative"] * math.exp(-half))
    assert mean["relative_high"] == pytest.approx(mean["relative"] * math.exp(half))


def test_a_shared_baseline_has_its_noise_once_in_the_mean(bench):
    base = [100.0, 120.0, 90.0]
    bench.speeds(base)
    logs = [[math.log(v) for v in base]]
    for nodes in (1, 2):
        values = [200.0 + nodes, 203.0, 199.0]
        bench.speeds(values, device="X2", node_count=nodes)
        logs.append([math.log(v) for v in values])
    (mean,) = [row for row in bench.ask(baseline="X1") if row["model"] == "geometric mean"]
    parts = [w * statistics.variance(v) / 3 for w, v in zip((1, 1 / 4, 1 / 4), logs, strict=True)]
    half = stats.t.ppf(0.975, sum(parts) ** 2 / sum(p**2 / 2 for p in parts)) * math.sqrt(sum(parts))
    assert mean["relative_high"] == pytest.approx(mean["relative"] * math.exp(half))


def test_what_is_not_comparable_is_not_in_the_mean(bench):
    for model, precision in (("a", "bf16"), ("b", "bf16"), ("c", "fp32")):
        bench.speeds([100.0], model=model, precision=precision)
        bench.speeds([200.0], model=model, device="X2")
    (mean,) = [row for row in bench.ask() if row["model"] == "geometric mean"]
    assert mean["case"] == "2 models, 2 pairs with Toy X1"


def test_a_speed_that_is_not_above_0_has_no_ratio_and_is_not_in_the_mean(bench):
    for model, there in (("a", [100.0]), ("b", [100.0]), ("c", [0.0, 100.0])):
        bench.speeds(there, model=model, device="X1")
        bench.speeds([200.0], model=model, device="X2")
    rows = bench.ask(baseline="X1")
    (zero,) = [row for row in rows if row["model"] == "c" and row["device"] == "Toy X2"]
    assert (zero["comparability"], zero["relative"], zero["reason"]) == (NEVER, None, "value: above 0 against 0")
    (mean,) = [row for row in rows if row["model"] == "geometric mean"]
    assert (mean["case"], mean["relative"]) == ("2 models, 2 pairs with Toy X1", pytest.approx(2))


def test_nothing_that_is_no_number_is_compared(bench):
    bench.speeds([100.0, math.nan, math.inf, 102.0])
    bench.speeds([50.0], device="X2")
    base, row = bench.ask()
    assert (base["n"], base["value"], row["n"]) == (2, 101, 1)


# --------------------------------------------------------------------------- scales


def test_systems_of_different_sizes_compare_per_device_or_as_they_are(bench):
    bench.add(("tokens_per_second", 800.0, {"definition": "tps@toy"}), device_count=8)
    bench.add(("tokens_per_second", 900.0, {"definition": "tps@toy"}), device_count=16, device="X2")
    row = bench.only()
    assert (row["value"], row["unit"], row["relative"]) == (56.25, "token/s/device", pytest.approx(0.5625))
    whole = bench.only(per="system")
    assert (whole["value"], whole["unit"], whole["relative"]) == (900, "token/s", pytest.approx(1.125))
    assert (whole["comparability"], whole["reason"]) == ("comparable with caveats", "devices: 16 against 8")
    with pytest.raises(QueryError, match="one of device, system is needed"):
        bench.ask(per="rack")


def test_a_rate_of_one_device_meets_that_of_a_system(bench):
    bench.speeds([100.0], definition=None)
    bench.add(("tokens_per_second", 800.0), device="X2")
    assert bench.only()["relative"] == pytest.approx(1.0)


def test_unknown_numbers_of_devices_leave_whole_systems(bench):
    for device, speed in (("X1", 10.0), ("X2", 30.0)):
        bench.add(("samples_per_second", speed), device=device, device_count=None)
    row = bench.only()
    assert (row["per"], row["value"], row["relative"], row["per_device"]) == ("system", 30, pytest.approx(3), None)
    assert row["reason"] == "devices: not stated"


def test_without_a_common_scale_there_is_no_ratio(bench):
    bench.speeds([100.0], definition=None, device_count=None)
    bench.add(("tokens_per_second", 800.0), device="X2", device_count=None)
    row = bench.only()
    assert (row["comparability"], row["relative"]) == ("not comparable", None)


def test_times_do_not_grow_with_devices(bench):
    for device, devices, seconds in (("X1", 8, 60.0), ("X2", 16, 90.0)):
        bench.add(("time_to_train", seconds), device=device, device_count=devices)
    row = bench.only(metric="time_to_train")
    assert (row["per"], row["value"], row["unit"], row["relative"]) == ("value", 90, "s", pytest.approx(1.5))


# --------------------------------------------------------------------------- the guard


@pytest.mark.parametrize(
    ("here", "there", "verdict", "why"),
    [
        ({}, {}, OK, None),
        ({"precision": "fp16"}, {}, CAVEAT, "precision: fp16 against bf16"),
        ({"precision": "amp"}, {"precision": "bfloat16"}, CAVEAT, "precision: amp against bfloat16"),
        ({"precision": "bfloat16"}, {}, OK, None),
        ({"precision": "fp32"}, {}, NEVER, "precision: fp32 against bf16"),
        ({"precision": "fp8"}, {}, NEVER, "precision: fp8 against bf16"),
        ({"precision": None}, {}, CAVEAT, "precision: not stated against bf16"),
        ({"precision": None}, {"precision": None}, CAVEAT, "precision: not stated"),
        ({"parallelism": "TP2PP4"}, {"parallelism": "TP8"}, CAVEAT, "parallel layout: TP2PP4 against TP8"),
        ({"parallelism": "tp=2, pp=1"}, {"parallelism": "TP2PP1DP4"}, OK, None),
        ({"device_count": 16}, {}, CAVEAT, "devices: 16 against 8"),
        ({"node_count": 2}, {"node_count": 1}, CAVEAT, "nodes: 2 against 1"),
        ({"dataset": "wiki"}, {"dataset": "pile"}, CAVEAT, "dataset: wiki against pile"),
        ({"dataset": "COCO-2017"}, {"dataset": "coco2017"}, OK, None),
        ({"framework": "a"}, {"framework": "b"}, CAVEAT, "framework: a against b"),
        (config(seq_length=4096), config(seq_length=2048), NEVER, "sequence length: 4096 against 2048"),
        (config(seq_length=4096), {}, CAVEAT, "sequence length: 4096 against not stated"),
        (config(stage="tune"), config(stage="pretrain"), NEVER, "stage: tune against pretrain"),
        (config(fix_hp="bs=2"), config(fix_hp="bs = 4"), CAVEAT, "settings: bs=2 against bs = 4"),
        (config(fix_hp="bs=2, lr=1"), config(fix_hp="bs = 2,lr=1"), OK, None),
        (environment(torch="2.1"), environment(torch="2.0"), CAVEAT, "software: torch 2.1 against torch 2.0"),
        (config(global_batch_size=64), config(global_batch_size=32), CAVEAT, "batch size: 64 against 32"),
    ],
)  # fmt: skip
def test_the_guard_of_trainings(bench, here, there, verdict, why):
    bench.speeds([100.0, 100.0], **there)
    bench.speeds([50.0], device="X2", **here)
    row = bench.only()
    assert (row["comparability"], row["reason"]) == (verdict, why)
    assert (row["relative"] is None) == (verdict == NEVER)
    assert (bench.ask(strict=True) == []) == (verdict == NEVER)


@pytest.mark.parametrize(
    ("here", "there", "verdict", "why"),
    [
        (config(ignore_eos=True), config(ignore_eos=False), NEVER, "ignore_eos: true against false"),
        (labels(ignore_eos="true"), config(ignore_eos=True), OK, None),
        (config(min_tokens=256), config(min_tokens=0), NEVER, "min_tokens: 256 against 0"),
        (config(min_tokens=256), {}, CAVEAT, "min_tokens: 256 against not stated"),
        (config(streaming=True), config(streaming=False), CAVEAT, "streaming: true against false"),
        (config(enable_prefix_caching=1), config(enable_prefix_caching=0), CAVEAT, "prefix caching: 1 against 0"),
        (config(tensor_parallel_size=4), config(tensor_parallel_size=8), CAVEAT, "parallel layout: tp4 against tp8"),
    ],
)  # fmt: skip
def test_the_guard_of_serving(bench, here, there, verdict, why):
    bench.cell(100.0, "X1", **there)
    bench.cell(50.0, "X2", **here)
    row = bench.only(baseline="X1")
    assert (row["comparability"], row["reason"]) == (verdict, why)


def test_streaming_decides_over_times_to_first_token(bench):
    for device, streaming in (("X1", True), ("X2", False)):
        case = {"input_len": 8.0, "output_len": 8.0, "concurrency": 1.0, "statistic": "p50"}
        bench.add(("ttft", 0.5, case), kind="serving", device=device, config={"streaming": streaming})
    row = bench.only(metric="ttft", statistic="p50", baseline="X1")
    assert (row["comparability"], row["reason"]) == (NEVER, "streaming: false against true")


def test_two_definitions_are_never_compared(bench):
    bench.speeds([100.0], definition="tgs@micro_step")
    bench.speeds([50.0], definition="tgs@tokens_over_time", device="X2")
    row = bench.only()
    assert (row["comparability"], row["relative"]) == (NEVER, None)
    assert row["reason"] == "definition: tgs@tokens_over_time against tgs@micro_step"


def test_an_unknown_definition_is_a_caveat(bench):
    bench.speeds([100.0], definition="tgs@toy")
    bench.speeds([50.0], definition=None, device="X2")
    row = bench.only()
    assert (row["comparability"], row["reason"]) == (
        CAVEAT, "definition: not stated against tgs@toy",
    )  # fmt: skip


def test_of_several_definitions_the_common_one_is_compared(bench):
    def rate(value, of):
        return ("samples_per_second", value, {"definition": f"samples_per_second@{of}"})

    bench.add(rate(400.0, "compute_only"), rate(320.0, "incl_evaluation"))
    bench.add(rate(160.0, "incl_evaluation"), device="X2")
    row = bench.only()
    assert (row["relative"], row["definition"]) == (pytest.approx(0.5), "samples_per_second@incl_evaluation")


def test_another_metric_or_unit_is_not_comparable(bench):
    bench.speeds([100.0])
    bench.add(("samples_per_second", 5.0), device="X2")
    assert bench.only()["reason"] == "metric: samples_per_second against tokens_per_second_per_device"


def test_a_speed_at_another_quality_is_a_caveat(bench):
    for device, accuracy, loss in (("X1", 0.70, 2.00), ("X2", 0.60, 2.03)):
        bench.add((TGS, 100.0, {"definition": "tgs@toy"}), ("accuracy", accuracy), ("loss", loss), device=device)
    assert bench.only(baseline="X1")["reason"] == "accuracy: 0.6 against 0.7"  # 1.5 % of loss is within 2 %


def test_a_speed_above_the_peak_of_its_device_was_counted_otherwise(bench):
    """Mixtral 8x7B: 12.9e9 active parameters, 6 FLOP each: 20,000 tokens would be 1.55 PFLOP/s of 0.31."""
    facts = {"model": "mixtral_8x7B", "vendor": "NVIDIA"}
    bench.speeds([20_000.0], device="A100-SXM4-80GB", **facts)
    bench.speeds([3_000.0], device="H100-SXM5-80GB", **facts)
    row = bench.only(baseline="H100*")
    assert (row["comparability"], row["reason"]) == (NEVER, "speed: above the device's peak against possible")


def test_the_mfu_is_recomputed_where_it_can_be(bench):
    facts = {"model": "llama2_7b", "vendor": "NVIDIA", "device": "A100-SXM4-80GB"}
    bench.add((TGS, 4000.0, {"definition": "tgs@toy"}), ("mfu", 0.9, {"definition": "mfu@toy"}), **facts)
    facts |= {"device": "unheard of"}
    bench.add((TGS, 2000.0, {"definition": "tgs@toy"}), ("mfu", 0.4, {"definition": "mfu@toy"}), **facts)
    base, row = bench.ask(baseline="A100*")
    assert base["mfu"] == pytest.approx(4000 * 6 * 6_738_415_616 / 312e12, rel=1e-6)
    assert (base["mfu_definition"], row["mfu"], row["mfu_definition"]) == ("mfu@recomputed", 0.4, "mfu@toy")


def test_the_metric_mfu_is_the_recomputed_one_and_never_meets_a_published_one(bench):
    facts = {"model": "llama2_7b", "vendor": "NVIDIA"}
    for device, speed, mfu in (("A100-SXM4-80GB", 4000.0, 0.9), ("H100-SXM5-80GB", 8000.0, 0.2), ("other", 1.0, 0.4)):
        for _ in range(2):
            bench.add((TGS, speed, {"definition": "tgs@toy"}), ("mfu", mfu), device=device, **facts)
    base, row, other = bench.ask(metric="mfu", baseline="A100*")
    values = [speed * 6 * 6_738_415_616 / peak for speed, peak in ((4000, 312e12), (8000, 989.4e12))]
    assert [base["value"], row["value"]] == pytest.approx(values, rel=1e-3)
    assert row["relative"] == pytest.approx(row["value"] / base["value"])
    assert {base["definition"], row["definition"]} == {"mfu@recomputed"}
    assert (base["value"], row["value"], base["n"]) == (base["mfu"], row["mfu"], 2)
    assert (other["value"], other["relative"], other["comparability"]) == (0.4, None, NEVER)
    assert other["reason"] == "definition: not stated against mfu@recomputed"
    assert bench.ask(metric="mfu", statistic="p50") == []


def test_a_range_of_published_mfu_is_no_value(bench):
    """Half of it is over the peak of another precision; which half, nobody knows."""
    ends = [("mfu", v, {"definition": "mfu@toy", "statistic": end}) for v, end in ((0.25, "min"), (0.5, "max"))]
    bench.add((TGS, 2000.0, {"definition": "tgs@toy"}), *ends, device="unheard of")
    bench.add((TGS, 1000.0, {"definition": "tgs@toy"}), ("mfu", 0.4, {"definition": "mfu@toy"}))
    base, row = bench.ask(baseline="X1", detail=False)
    assert (base["mfu"], base["mfu_definition"]) == (0.4, "mfu@toy")
    assert (row["mfu"], row["mfu_definition"]) == (None, None)


def test_failed_requests_are_a_caveat(bench):
    case = {"input_len": 8.0, "output_len": 8.0, "concurrency": 1.0}
    for device, failed in (("X1", 0.0), ("X2", 10.0)):
        counts = ("completed_requests", 90.0, case), ("failed_requests", failed, case)
        bench.add((TPS, 10.0, case), *counts, kind="serving", device=device)
    assert bench.only(baseline="X1")["reason"] == "completed requests: 90 % against 100 %"


def test_requests_are_added_up_where_nobody_stated_a_speed(bench):
    for name, device, seconds in (("a", "X1", 10.0), ("b", "X2", 20.0)):
        facts = {"model": "m", "vendor": "Toy", "device": device, "device_count": 1, "precision": "bf16"}
        run = Run(
            name, f"/w/{name}", kind="serving", config={"concurrency": 4, "input_len": 8, "output_len": 50}, **facts
        )
        requests = [
            Request(name, i, started=float(i), ttft=0.1, e2e=seconds - i, input_tokens=8, output_tokens=50, line=i + 2)
            for i in range(4)
        ]
        bench.pending.append(Source(f"/w/{name}.json").replace(run, *requests))
    row = bench.only(baseline="X1")
    assert (row["value"], row["relative"]) == (pytest.approx(200 / 20), pytest.approx(0.5))
    assert (row["definition"], row["source"]) == ("output_tokens_per_second@requests", "/w/b.json:2")


def test_the_counterpart_is_the_one_that_differs_least(bench):
    bench.speeds([300.0], precision="fp8", parallelism="TP8")
    bench.speeds([100.0], parallelism="TP4")
    right = bench.speeds([120.0], parallelism="TP8")
    bench.speeds([60.0], device="X2", parallelism="TP8")
    base, row, unmet = bench.ask(baseline="X1")
    assert (base["runs"], row["relative"], row["comparability"]) == (right, pytest.approx(0.5), OK)
    assert (unmet["device"], unmet["case"], unmet["comparability"]) == ("Toy X1", "2 configurations", NEVER)
    assert unmet["reason"] == "no other device at this configuration"
    assert len(bench.ask(baseline="X1", device="X2")) == 2


def test_a_finetuning_is_no_training_from_scratch(bench):
    bench.speeds([100.0], model="llama2_7b")
    bench.speeds([50.0], model="llama2_7b_finetune", device="X2")
    row = bench.only(baseline="X1")
    assert row["model"] == "Llama-2-7B"
    assert row["reason"].startswith("task: finetune against ")
    assert row["comparability"] == NEVER


# --------------------------------------------------------------------------- names


def test_spellings_of_one_device_and_one_model_are_one(bench):
    bench.speeds([100.0], model="llama2_7b", vendor="NVIDIA", device="A100-SXM4-80GB")
    bench.speeds([100.0], model="meta-llama/Llama-2-7b-hf", vendor="NVIDIA", device="NVIDIA A100-SXM4-80GB")
    bench.speeds([40.0, 41.0], model="llama2_7b", vendor="MetaX", device="C500")
    bench.speeds([42.0], model="llama2_7b", vendor="MetaX", device="曦云®C500 64G")
    rows = bench.ask()
    assert {row["device"] for row in rows} == {"NVIDIA A100-SXM4-80GB", "MetaX MXC500"}
    assert [(row["model"], row["n"]) for row in rows] == [("Llama-2-7B", 3), ("Llama-2-7B", 2)]


def test_the_baseline_is_the_device_with_most_runs_or_the_one_named(bench):
    bench.speeds([100.0], device="X1")
    bench.speeds([50.0, 51.0], device="X2")
    assert [r["device"] for r in bench.ask() if r["comparability"] == "baseline"] == ["Toy X2"]
    for name in ("X1", "toy x1", "*1"):
        assert [r["device"] for r in bench.ask(baseline=name) if r["comparability"] == "baseline"] == ["Toy X1"]


def test_a_model_that_the_usual_baseline_did_not_run_gets_its_own(bench):
    bench.speeds([100.0, 99.0, 98.0], device="X1")
    bench.speeds([50.0], device="X2")
    bench.speeds([5.0, 6.0], model="other", device="X2")
    bench.speeds([10.0], model="other", device="X3")
    assert [(r["model"], r["device"], r["baseline"]) for r in bench.ask() if r["comparability"] != "baseline"] == [
        ("other", "Toy X3", "Toy X2"), ("toy_7b", "Toy X2", "Toy X1"),
    ]  # fmt: skip
    named = [r for r in bench.ask(baseline="X1") if r["model"] == "other"]
    assert {(r["reason"], r["relative"]) for r in named} == {("Toy X1 has no value on this model", None)}


def test_a_baseline_that_is_not_there_or_not_one(bench):
    bench.speeds([100.0], device="X1")
    bench.speeds([50.0], device="X22")
    bench.speeds([50.0], device="X21")
    with pytest.raises(NotFound, match="no device named 'X9'; there are: Toy X1"):
        bench.ask(baseline="X9")
    with pytest.raises(InputError, match="may be Toy X21 or Toy X22"):
        bench.ask(baseline="X2")


def test_filters(bench):
    for model in ("a", "b"):
        for device in ("X1", "X2", "Y3"):
            bench.speeds([100.0], model=model, device=device)
    bench.cell(5.0, "X1", model="a")
    bench.cell(5.0, "X2", model="a")

    def shown(**parameters):
        rows = [r for r in bench.ask(baseline="X1", **parameters) if r["model"] != "geometric mean"]
        return {(r["kind"], r["model"], r["device"]) for r in rows if r["comparability"] != "baseline"}

    assert len(shown()) == 5
    assert shown(kind="serving") == {("serving", "a", "Toy X2")}
    assert shown(model="B") == {("training", "b", "Toy X2"), ("training", "b", "Toy Y3")}
    assert shown(device="y3") == {("training", "a", "Toy Y3"), ("training", "b", "Toy Y3")}
    assert shown(pick="run/[1-2]") == {("training", "a", "Toy X2")}
    with pytest.raises(QueryError, match="one of training"):
        bench.ask(kind="cooking")


# --------------------------------------------------------------------------- what cannot be compared


def test_serving_cells_meet_at_their_own_case_only(bench):
    for concurrency, speed in ((1.0, 10.0), (8.0, 60.0), (64.0, 200.0)):
        bench.cell(speed, "X1", concurrency)
    for concurrency, speed in ((1.0, 5.0), (8.0, 45.0), (128.0, 400.0)):
        bench.cell(speed, "X2", concurrency)
    rows = [r for r in bench.ask(baseline="X1") if r["comparability"] != "baseline"]
    assert [(r["case"], r["relative"]) for r in rows[:2]] == [
        ("in 1024, out 256, concurrency 1", pytest.approx(0.5)),
        ("in 1024, out 256, concurrency 8", pytest.approx(0.75)),
    ]
    assert (rows[2]["model"], rows[2]["relative"]) == ("geometric mean", pytest.approx(math.sqrt(0.5 * 0.75)))
    assert [(r["device"], r["reason"], r["case"]) for r in rows[3:]] == [
        ("Toy X1", "no other device at this configuration", "in 1024, out 256, concurrency 64"),
        ("Toy X2", "Toy X1 has no value at this case", "in 1024, out 256, concurrency 128"),
    ]


def test_samples_of_serving_are_completed_requests(bench):
    case = {"input_len": 8.0, "output_len": 8.0, "concurrency": 1.0}
    for device in ("X1", "X2"):
        for _ in range(2):
            bench.add((TPS, 10.0, case), ("completed_requests", 50.0, case), kind="serving", device=device)
    assert bench.only(baseline="X1")["samples"] == 100


def test_devices_without_a_value_and_runs_without_a_name_are_told(bench):
    bench.speeds([100.0, 101.0])
    bench.add(("accuracy", 0.5), device="X2")
    bench.add(("accuracy", 0.7), device="X2", parallelism="TP8")
    bench.speeds([5.0, 6.0], device=None, vendor=None)
    bench.speeds([7.0], model=None)
    silent, nameless, modelless = sorted(bench.ask(), key=lambda r: r["reason"], reverse=True)
    assert (silent["device"], silent["n"], silent["accuracy"]) == ("Toy X2", 2, pytest.approx(0.6))
    assert (silent["reason"], silent["source"]) == ("states no speed", "/w/run/3.md")
    assert (nameless["reason"], nameless["n"]) == ("names no model; read it again with --label model=NAME", 1)
    assert (modelless["reason"], modelless["n"]) == ("names no device; read it again with --label device=NAME", 2)
    assert {r["comparability"] for r in (silent, nameless, modelless)} == {NEVER}
    assert bench.ask(strict=True) == []


def test_details_are_shown_on_request(bench):
    bench.speeds([100.0])
    bench.speeds([50.0], device="X2")
    brief, whole = bench.ask(detail=False)[0], bench.ask()[0]
    assert set(whole) - set(brief) >= {"runs", "per_system", "samples", "baseline_source", "ratio_method"}
    assert {"run_id", "source", "n", "definition", "interval_method"} <= set(brief)
    assert all(whole[name] == brief[name] for name in brief)


def test_a_model_on_one_device_is_no_comparison(bench):
    bench.speeds([100.0, 101.0])
    assert bench.ask() == []


# --------------------------------------------------------------------------- logs


def test_training_logs_compare_by_their_steady_state(bench):
    for name, device, speed in (("x1", "X1", 200.0), ("x2", "X2", 100.0)):
        run = Run(
            name,
            f"/w/{name}",
            kind="training",
            model="m",
            vendor="Toy",
            device=device,
            device_count=8,
            precision="bf16",
        )
        steps = list(range(1, 101))
        values = {
            TGS: [speed] * 100,
            "loss": [3.0 - 0.02 * s for s in steps],
            "memory_allocated_peak": [s * 2.0**20 for s in steps],
        }
        bench.pending.append(Source(f"/w/{name}.log").replace(run, points(name, steps, values, definition="tgs@toy")))
    base, row = bench.ask(baseline="X1")
    assert (row["value"], row["relative"]) == (pytest.approx(100), pytest.approx(0.5))
    assert row["loss"] == pytest.approx(statistics.fmean(3.0 - 0.02 * s for s in range(51, 101)))
    assert (row["memory"], row["samples"]) == (pytest.approx(100 / 1024), 100)
    assert row["definition"] == "harmonic_mean(tgs@toy)"
    assert base["source"].startswith("/w/x1.log:")


def test_a_resumed_training_is_one_run(bench):
    chain = {"kind": "training", "model": "m", "vendor": "Toy", "device": "X1", "device_count": 8, "experiment": "long"}
    for name, first, last, resumed in (("long/1", 1, 60, None), ("long/2", 51, 200, 50)):
        run = Run(name, "/w/long", resumed_from=resumed, **chain)
        steps = list(range(first, last + 1))
        bench.pending.append(Source(f"/w/{name}.log").replace(run, points(name, steps, {TGS: [100.0] * len(steps)})))
    bench.add((TGS, 50.0), model="m", device="X2")
    (base,) = [r for r in bench.ask(baseline="X1") if r["device"] == "Toy X1"]
    assert (base["n"], base["runs"]) == (1, ["long/2"])


def test_operators_of_chips_compare_by_name(bench):
    for device, flops in (("X1", 2e14), ("X2", 1e14)):
        facts = {"kind": "microbenchmark", "model": None, "device": device, "device_count": 1}
        bench.add(("achieved_flops", flops, {"subject": "mm"}), ("achieved_flops", 9e9, {"subject": "abs"}), **facts)
    rows = [r for r in bench.ask(kind="microbenchmark", baseline="X1") if r["comparability"] == OK]
    assert [(r["model"], r["case"], r["relative"]) for r in rows[:2]] == [
        ("abs", None, 1),
        ("mm", None, pytest.approx(0.5)),
    ]


def test_a_flag_may_stand_alone_on_the_command_line(bench):
    bench.speeds([100.0], precision="fp8")
    bench.speeds([50.0], device="X2")
    bench.ask()
    counts = []
    for flags in ((), ("--strict",), ("--strict", "--kind", "training"), ("--strict", "false")):
        done = CliRunner().invoke(main, ["query", "compare", *flags, "--db", bench.path, "--format", "json"])
        assert done.exit_code == 0, done.output
        counts.append(len(json.loads(done.output)))
    assert counts == [2, 0, 0, 2]


# --------------------------------------------------------------------------- comparability


def test_comparability_lists_each_difference_of_each_pair(bench):
    bench.speeds([100.0, 100.0], parallelism="TP8", dataset="wiki")
    bench.speeds([50.0], device="X2", precision="fp8", parallelism="TP4")
    bench.speeds([50.0], device="X3", parallelism="TP8", dataset="wiki")
    found = [
        (r["device"], r["condition"], r["here"], r["at_baseline"], r["verdict"], r["pair_verdict"])
        for r in bench.ask("comparability")
    ]
    assert found == [
        ("Toy X2", "precision", "fp8", "bf16", NEVER, NEVER),
        ("Toy X2", "dataset", None, "wiki", CAVEAT, NEVER),
        ("Toy X2", "parallel layout", "TP4", "TP8", CAVEAT, NEVER),
        ("Toy X3", None, None, None, OK, OK),
    ]


def test_comparability_takes_what_compare_takes(bench):
    for device, devices in (("X1", 8), ("X2", 16)):
        bench.add((TGS, 100.0), ("step_time", 2.0, {"statistic": "p50"}), device=device, device_count=devices)
        bench.cell(10.0, device)
    bench.speeds([100.0], device="X1", model="other")
    bench.speeds([100.0], device="Y2", model="other")

    def asked(**parameters):
        return [tuple(r.values()) for r in bench.ask("comparability", **parameters)]

    usual = asked()
    for parameters in (
        {"metric": "step_time", "statistic": "p50"}, {"baseline": "X2"}, {"kind": "serving"}, {"model": "other"},
        {"device": "Y2"}, {"pick": "run/1"},
    ):  # fmt: skip
        assert asked(**parameters) != usual, parameters
    assert {r["metric"] for r in bench.ask("comparability", metric="step_time", statistic="p50")} == {"step_time"}
    assert bench.ask("comparability", metric="step_time") == []
    bench.add(("samples_per_second", 5.0), model="net", device_count=None)
    bench.add(("samples_per_second", 5.0), model="net", device="X2", device_count=None)
    devices = [r for r in bench.ask("comparability", model="net", baseline="X1") if r["condition"] == "devices"]
    assert len(devices) == 1


@pytest.mark.parametrize("query", ["compare", "comparability"])
def test_a_statistic_that_nobody_knows_is_a_mistake(bench, query):
    bench.add((TGS, 100.0, {"statistic": "trimmed"}))
    bench.ask(query, statistic="trimmed")  # the store has it
    with pytest.raises(QueryError, match="--statistic 'nope': mean, std, "):
        bench.ask(query, statistic="nope")
    with pytest.raises(QueryError, match="--statistic 'value': "):
        bench.ask(query, statistic="value")


def test_a_metric_that_nobody_knows_is_a_mistake(bench):
    bench.add(("own_rate", 3.0), device="X1")
    with pytest.raises(NotFound, match="no metric named 'own_raet'; did you mean 'own_rate'"):
        bench.ask(metric="own_raet")
    assert len(bench.ask(metric="own_rate")) == len(bench.ask(metric="ttft"))
