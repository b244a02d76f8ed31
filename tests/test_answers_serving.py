"""`frontier`, `slo`, `at`, `steady` and `serving` from requests: composed runs in through the store's own door."""

import math
import statistics

import numpy as np
import pytest
from scipy.stats import binomtest

import llmstats
from llmstats.errors import NotFound, QueryError
from llmstats.questions import find
from llmstats.records import Measurement, Request, Run

from .store_deltas import Source, fresh_store

SYSTEM = {"model": "m", "device": "d", "framework": "f", "precision": "fp8", "device_count": 2}


class Bench:
    """A store and questions to it; answers as dicts."""

    def __init__(self, path):
        self.path = str(path)
        self.store = fresh_store(path)
        self.db = llmstats.open(self.path)

    def cell(
        self, name, *, load=8, tps=100.0, tpot=0.02, ttft=0.5, extra=(), case=(256, 512), definitions=None, **facts
    ):
        """One run of a benchmark with its aggregates."""
        run = Run(name, f"/w/{name}", kind="serving", **{**SYSTEM, "status": "completed"} | facts)
        values = {
            ("output_tokens_per_second", "value"): tps, ("total_tokens_per_second", "value"): tps and 3 * tps,
            ("requests_per_second", "value"): tps and tps / 10, ("tpot", "mean"): tpot, ("ttft", "mean"): ttft,
            ("tpot", "p99"): tpot and 2 * tpot, ("e2e_latency", "mean"): ttft and tpot and ttft + 100 * tpot,
            **dict(extra),
        }  # fmt: skip
        items = [
            Measurement(
                name, metric, value, statistic, definition=(definitions or {}).get(metric, f"{metric}@toy"), line=line,
                input_len=case[0], output_len=case[1], concurrency=load,
            )
            for line, ((metric, statistic), value) in enumerate(values.items(), 11)
            if value is not None
        ]  # fmt: skip
        self.store.commit([Source(f"/w/{name}.log").replace(run, *items)])

    def requests(self, name, requests, *, aggregates=(), **facts):
        """One run with a record for each request, from line 2 on."""
        run = Run(name, f"/w/{name}", kind="serving", **{**SYSTEM, "status": "completed"} | facts)
        items = [Request(name, i, line=i + 2, **{"success": True} | values) for i, values in enumerate(requests)]
        items += [Measurement(name, metric, value, statistic) for metric, statistic, value in aggregates]
        self.store.commit([Source(f"/w/{name}.csv").replace(run, *items)])

    def ask(self, name, **parameters):
        answer = self.db.query(name, **parameters)
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]

    def sql(self, text):
        return self.db.query(text).rows


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "s.duckdb")


def sweep(bench, name, speeds, tpots, **facts):
    for i, (tps, tpot) in enumerate(zip(speeds, tpots, strict=True)):
        bench.cell(f"{name}/{i}", load=2**i, tps=tps, tpot=tpot, **facts)


def runs(rows, **equal):
    return [row["run_id"] for row in rows if all(row[k] == v for k, v in equal.items())]


# --------------------------------------------------------------------------- frontier


def test_a_frontier_is_what_nothing_beats(bench):
    sweep(bench, "a", [100, 150, 140, 300, 290], [0.02, 0.025, 0.03, 0.05, 0.05])
    rows = bench.ask("frontier")
    assert runs(rows) == ["a/0", "a/1", "a/3"]
    assert [row["throughput"] for row in rows] == [50, 75, 150], "per device"
    assert [row["value"] for row in rows] == [pytest.approx(x) for x in (50, 40, 20)]
    assert {(row["per"], row["unit"], row["band"], row["points"]) for row in rows} == {
        ("device", "token/s/user", "no repeats: no band", 5)
    }
    everything = bench.ask("frontier", all=True)
    assert runs(everything) == ["a/0", "a/1", "a/2", "a/4", "a/3"]
    assert runs(everything, on_frontier=False) == ["a/2", "a/4"]
    assert rows[0]["source"] == "/w/a/0.log:11"
    assert rows[0]["throughput_definition"] == "output_tokens_per_second@toy"
    assert rows[0]["value_definition"] == "tpot@toy"


def test_equal_points_are_both_there(bench):
    bench.cell("a/1", load=1)
    bench.cell("a/2", load=2)
    bench.cell("a/3", load=3, tpot=0.03)
    assert runs(bench.ask("frontier")) == ["a/1", "a/2"]


@pytest.mark.parametrize(
    "other",
    [
        {"precision": "bf16"}, {"device": "e"}, {"framework": "g"}, {"model": "n"}, {"case": (256, 1024)},
        {"definitions": {"tpot": "tpot@other"}}, {"definitions": {"output_tokens_per_second": "tps@other"}},
        {"device_count": None}, {"dataset": "sharegpt"},
    ],
)  # fmt: skip
def test_what_is_another_system_is_never_joined(bench, other):
    bench.cell("a/1", tps=100, tpot=0.05)
    bench.cell("a/2", tps=900, tpot=0.01, **other)
    assert sorted(runs(bench.ask("frontier", against="tpot"))) == ["a/1", "a/2"]


def test_settings_are_points_of_one_frontier_unless_told_apart(bench):
    bench.cell("a/1", tps=100, tpot=0.05, parallelism="TP2", config={"spec": "none"})
    bench.cell("a/2", tps=900, tpot=0.01, parallelism="TP4", config={"spec": "mtp"}, device_count=4)
    assert runs(bench.ask("frontier")) == ["a/2"]
    apart = bench.ask("frontier", by="parallelism, spec")
    assert {row["run_id"]: row["apart"] for row in apart} == {
        "a/1": "parallelism=TP2, spec=none", "a/2": "parallelism=TP4, spec=mtp",
    }  # fmt: skip


def test_runs_that_do_not_say_their_device_are_joined_within_their_folder(bench):
    bench.cell("x/1", tps=100, tpot=0.05, device=None)
    bench.cell("x/2", tps=200, tpot=0.02, device=None)
    bench.cell("y/1", tps=90, tpot=0.06, device=None)
    rows = bench.ask("frontier")
    assert {(row["run_id"], row["folder"]) for row in rows} == {("x/2", "/w/x"), ("y/1", "/w/y")}


def test_against_statistic_and_tokens(bench):
    bench.cell("a/1", tps=100, tpot=0.02, ttft=0.5)
    bench.cell("a/2", tps=90, tpot=0.03, ttft=0.4, load=7)
    assert runs(bench.ask("frontier")) == runs(bench.ask("frontier", against="tpot")) == ["a/1"]
    rows = bench.ask("frontier", against="ttft")
    assert [(row["run_id"], row["value"], row["unit"]) for row in rows] == [("a/2", 0.4, "s"), ("a/1", 0.5, "s")]
    assert [row["value"] for row in bench.ask("frontier", against="e2e")] == [2.5]
    assert [row["value"] for row in bench.ask("frontier", against="tpot", statistic="p99")] == [0.04]
    assert [row["throughput"] for row in bench.ask("frontier", tokens="total")] == [150]


def test_frontiers_are_filtered(bench):
    bench.cell("a/1", model="m1", device="d1", tps=900)
    bench.cell("a/2", model="m1", device="d1", load=9)
    bench.cell("b/1", model="m2", device="d2")
    assert runs(bench.ask("frontier", pick="b/*")) == ["b/1"]
    assert runs(bench.ask("frontier", pick="a/2")) == ["a/2"], "what is not picked beats nothing"
    assert runs(bench.ask("frontier", model="m1")) == runs(bench.ask("frontier", device="d1")) == ["a/1"]


def test_a_name_that_no_run_has_tells_nothing_apart(bench):
    bench.cell("a/1", config={"spec": "mtp"})
    for name, limit in (("frontier", {}), ("slo", {"ttft": 1}), ("lengths", {})):
        with pytest.raises(
            NotFound, match=r"no column, label or configuration key .* named 'spek'; did you mean 'spec'"
        ):
            bench.ask(name, by="spek", **limit)


def test_what_has_no_point_comes_last_with_its_reason(bench):
    bench.cell("a/1", model="a", tpot=None, extra={("ttft", "mean"): 1.0}.items())
    bench.cell("b/1", model="b")
    bench.cell("b/2", model="b", load=2, tpot=math.nan)
    bench.cell("c/1", model="c", tps=math.inf)
    bench.cell("d/1", model="d", status="failed")
    rows = bench.ask("frontier")
    assert [(row["run_id"], row["left_out"], row["reason"]) for row in rows] == [
        ("b/1", 1, None),
        ("a/1", 1, "cannot tell: no run has interactivity"),
        ("c/1", 1, "cannot tell: no run has throughput"),
        ("d/1", 1, "cannot tell: all runs failed"),
    ]


def test_a_time_or_a_speed_that_is_not_above_zero_is_no_point(bench):
    bench.cell("a/1")
    bench.cell("a/2", load=16, tps=900, tpot=0.0)
    bench.cell("a/3", load=32, tps=800, tpot=-0.005)
    bench.cell("a/4", load=64, tps=0.0, tpot=0.001)
    bench.cell("b/1", model="b", tpot=0.0)
    for against in ("interactivity", "tpot"):
        first, second = bench.ask("frontier", against=against, all=True)
        assert (first["run_id"], first["points"], first["left_out"]) == ("a/1", 1, 3)
        assert (second["run_id"], second["reason"]) == ("b/1", "cannot tell: no run has a tpot above zero")
    first, second = bench.ask("at", interactivity=50)
    assert (first["value"], first["measured_from"], first["measured_to"]) == (50, 50, 50)
    assert second["reason"] == "cannot tell: no run has both interactivity and throughput; no tpot is above zero"
    assert bench.ask("at", concurrency=16, read="tpot", model="m")[0]["points"] == 2, "those of a/1 and a/4"


def t_limits(values):
    """Student's t interval of the logarithms of five values."""
    logs = [math.log(v) for v in values]
    half = 2.7764451 * statistics.stdev(logs) / math.sqrt(5)
    return [pytest.approx(math.exp(statistics.mean(logs) + sign * half), rel=1e-6) for sign in (-1, 1)]


def test_times_by_another_statistic_are_named(bench):
    bench.cell("a/1", tpot=None, extra=[(("tpot", "p50"), 0.02), (("tpot", "p90"), 0.03)])
    (row,) = bench.ask("frontier")
    assert row["reason"] == "cannot tell: no run has interactivity; it is stated by p50, p90: see --statistic"
    (row,) = bench.ask("at", tpot=0.02)
    assert row["reason"].endswith("no run has both tpot and throughput; it is stated by p50, p90: see --statistic")
    assert runs(bench.ask("frontier", statistic="p50")) == ["a/1"]
    assert bench.ask("at", tpot=0.02, statistic="p50")[0]["value"] == 50


def test_a_run_that_failed_belongs_to_the_system_of_its_neighbours(bench):
    bench.cell("a/1")
    bench.cell(
        "a/lost", load=64, tps=None, tpot=None, ttft=None, status="failed", extra=[(("success_rate", "value"), 0.0)]
    )
    (row,) = bench.ask("frontier")
    assert (row["run_id"], row["points"], row["left_out"]) == ("a/1", 1, 1)
    made = [
        Measurement("a/long", metric, 9.0, word, conditions={"output_len_mode": "constant"}, definition=f"{metric}@x")
        for metric, word in (("output_tokens_per_second", "value"), ("tpot", "mean"))
    ]
    facts = SYSTEM | {"model": "long"}
    bench.store.commit([Source("/w/long").replace(Run("a/long", "/w/a", kind="serving", **facts), *made)])
    bench.requests("b/long", [{"success": False}], model="long")
    (row,) = bench.ask("frontier", model="long")
    assert (row["points"], row["left_out"]) == (1, 1), "whether its output was constant, a failed run does not say"
    bench.cell("b/1", definitions={"tpot": "tpot@other"})
    rows = bench.ask("frontier", model="m")
    assert sorted(row["run_id"] for row in rows) == ["a/1", "a/lost", "b/1"], "it fits two systems: nobody knows which"


def test_names_of_devices_that_the_catalogue_knows_as_one_are_one(bench):
    bench.cell("a/1", device="NVIDIA A100-SXM4-80GB", tps=100, tpot=0.05)
    bench.cell("a/2", device="A100-SXM4-80GB", tps=200, tpot=0.02, load=16)
    bench.cell("a/3", device="A100-XYZ", tps=10, tpot=0.5)
    assert sorted(runs(bench.ask("frontier"))) == ["a/2", "a/3"]


def test_repeats_are_one_point_with_limits(bench):
    speeds = [96, 100, 104, 98, 102]
    for i, tps in enumerate(speeds):
        bench.cell(f"a/{i}", tps=tps, tpot=2 / tps, config={"seed": i})
    for i in range(2):
        bench.cell(f"b/{i}", load=64, tps=400, tpot=0.1, config={"seed": i})
    repeated, twice = bench.ask("frontier")
    assert [(row["throughput"], row["runs"], row["points"]) for row in (repeated, twice)] == [(50, 5, 2), (200, 2, 2)]
    assert repeated["run_id"] == "a/0, a/1, a/2, a/3, a/4"
    assert repeated["band"] == "95 %, 1 of 2 points with 3 or more repeats"
    assert [repeated["low"], repeated["high"]] == t_limits([tps / 2 for tps in speeds])
    assert [repeated["value_low"], repeated["value_high"]] == t_limits([tps / 2 for tps in speeds])
    assert (repeated["certain"], twice["certain"], twice["low"]) == (1, None, None), "two repeats have no band"
    assert bench.ask("frontier", pick="b/*")[0]["band"] == "at most 2 repeats: no band"


def test_how_certain_a_point_is_on_the_frontier(bench):
    """Two points of one mean speed, the second at a worse latency: it is beaten in half of the draws."""
    for i, noise in enumerate([0.96, 1.0, 1.04, 0.98, 1.02]):
        bench.cell(f"a/{i}", load=1, tps=100 * noise, tpot=0.02, config={"seed": i})
        bench.cell(f"b/{i}", load=2, tps=100 * noise, tpot=0.04, config={"seed": i})
        bench.cell(f"c/{i}", load=4, tps=60 * noise, tpot=0.05, config={"seed": i})
    first, second, third = bench.ask("frontier", against="tpot", all=True)
    assert (first["certain"], third["certain"], third["on_frontier"]) == (1, 0, False)
    assert second["certain"] == pytest.approx(0.5, abs=0.06)


def test_another_configuration_or_load_is_no_repeat(bench):
    for i in range(3):
        bench.cell(f"a/{i}", tps=100 + i, tpot=0.02, config={"batch": i})
    assert [row["runs"] for row in bench.ask("frontier", all=True)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("frontier", {"against": "speed"}), ("frontier", {"statistic": "best"}), ("frontier", {"tokens": "all"}),
        ("slo", {}), ("slo", {"ttft": 0}), ("slo", {"share": 1.5}), ("slo", {"one_token": "perhaps"}),
        ("at", {}), ("at", {"tpot": 0.1, "ttft": 1}), ("at", {"tpot": -1}), ("at", {"tpot": 1, "read": "loss"}),
        ("at", {"tpot": 1, "read": "tpot"}), ("steady", {"statistic": "p"}), ("steady", {"statistic": "p101"}),
        ("steady", {"statistic": "p99.9.9"}), ("frontier", {"statistic": "p100.5"}), ("lengths", {"statistic": "p99."}),
        ("at", {"tpot": 1, "statistic": "p999"}),
    ],
)  # fmt: skip
def test_what_a_parameter_does_not_know_is_said(bench, name, parameters):
    with pytest.raises(QueryError, match=r"needed|given|read something else"):
        bench.ask(name, **parameters)


# --------------------------------------------------------------------------- at


def test_a_measured_place_is_read_off_and_others_between(bench):
    sweep(bench, "a", [100, 200, 400], [0.02, 0.04, 0.08])
    sweep(bench, "b", [300, 600, 900], [0.05, 0.06, 0.07], device="e")
    first, second = bench.ask("at", tpot=0.04)
    assert (first["value"], first["method"], first["run_id"], first["source"]) == (
        100,
        "measured",
        "a/1",
        "/w/a/1.log:11",
    )
    assert second["value"] is None
    assert second["reason"] == "cannot tell: beyond the measured range 0.05..0.07"
    between = {row["device"]: row for row in bench.ask("at", tpot=0.055)}
    assert between["d"]["value"] == pytest.approx(50 * 0.055 / 0.02), "proportional: a line of logarithms"
    assert (between["d"]["below"], between["d"]["above"], between["d"]["at_least"]) == (100, 200, 100)
    assert (between["d"]["below_source"], between["d"]["above_source"]) == ("/w/a/1.log:11", "/w/a/2.log:11")
    assert 150 < between["e"]["value"] < 300
    beyond = {row["device"]: row["at_least"] for row in bench.ask("at", tpot=0.09)}
    assert beyond == {"d": 200, "e": 450}, "what is measured at a shorter time holds"


def test_beaten_points_do_not_bend_the_curve(bench):
    sweep(bench, "a", [100, 20, 400], [0.02, 0.04, 0.08])
    (row,) = bench.ask("at", tpot=0.04)
    assert (row["method"], row["value"], row["points"]) == ("interpolated", pytest.approx(100), 2)


def test_beyond_the_frontier_lies_what_is_beaten(bench):
    sweep(bench, "a", [100, 300, 200], [0.02, 0.04, 0.08])
    (row,) = bench.ask("at", tpot=0.06)
    assert row["reason"] == "cannot tell: beyond the frontier's range 0.02..0.04: what was measured there is beaten"
    assert (row["measured_from"], row["measured_to"], row["at_least"]) == (0.02, 0.04, 150)
    assert bench.ask("at", tpot=0.1)[0]["reason"] == "cannot tell: beyond the measured range 0.02..0.08"
    assert bench.ask("at", tpot=0.01)[0]["reason"] == "cannot tell: beyond the measured range 0.02..0.08"


def test_at_interactivity_and_at_loads(bench):
    sweep(bench, "a", [100, 200, 400], [0.02, 0.04, 0.08])
    assert bench.ask("at", interactivity=25)[0]["value"] == pytest.approx(100)
    assert bench.ask("at", concurrency=2)[0]["value"] == 100
    assert bench.ask("at", concurrency=3)[0]["value"] == pytest.approx(150)
    assert bench.ask("at", concurrency=3, read="tpot")[0]["value"] == pytest.approx(0.06)
    assert bench.ask("at", concurrency=3, read="interactivity")[0]["value"] == pytest.approx(1 / 0.06)
    assert bench.ask("at", concurrency=2, read="tpot", statistic="p99")[0]["value"] == 0.08
    assert bench.ask("at", concurrency=2, tokens="total")[0]["value"] == 300
    (row,) = bench.ask("at", concurrency=2, read="requests")
    assert (row["value"], row["per"], row["unit"]) == (20, "system", "request/s")
    assert bench.ask("at", concurrency=5)[0]["reason"] == "cannot tell: beyond the measured range 1..4"
    (row,) = bench.ask("at", request_rate=5)
    assert row["reason"] == "cannot tell: no run has both request_rate and throughput"
    assert bench.ask("at", ttft=0.5)[0]["value"] == 200
    assert bench.ask("at", e2e=2.5)[0]["value"] == 50


def test_at_a_request_rate(bench):
    for rate in (1.0, 4.0):
        bench.cell(f"a/{rate:g}", load=None, tps=100 * rate, config={"request_rate": rate})
    assert bench.ask("at", request_rate=2)[0]["value"] == pytest.approx(100)


def test_systems_are_told_apart_and_picked(bench):
    bench.cell("a/1", config={"spec": "none"})
    bench.cell("a/2", config={"spec": "mtp"}, tps=300)
    bench.cell("b/2", device="e", model="other")
    (row,) = bench.ask("at", concurrency=8, device="d")
    assert (row["value"], row["method"], row["run_id"]) == (None, None, "a/1, a/2")
    assert row["reason"] == "cannot tell: the runs there differ in spec (none, mtp); --by spec keeps them apart"
    assert [row["value"] for row in bench.ask("at", concurrency=8, device="d", by="spec")] == [150, 50]
    assert runs(bench.ask("at", concurrency=8, model="other")) == ["b/2"]
    assert runs(bench.ask("at", concurrency=8, pick="b/*")) == ["b/2"]


def test_no_curve_joins_two_configurations(bench):
    """Otherwise a value would be told that no configuration yields."""
    bench.cell("a/1", load=1, tps=100, tpot=0.02, config={"steps": 5, "seqs": 512, "num_prompts": 10})
    bench.cell("a/2", load=2, tps=200, tpot=0.04, config={"steps": 1, "seqs": 128, "num_prompts": 20})
    for place in ({"tpot": 0.03}, {"concurrency": 1.5}):
        (row,) = bench.ask("at", **place)
        assert (row["value"], row["method"], row["below"], row["above"]) == (None, None, 50, 100)
        assert row["reason"] == (
            "cannot tell: the neighbours differ in steps (5, 1), seqs (512, 128); --by steps,seqs keeps them apart"
        )
    assert bench.ask("at", tpot=0.03)[0]["at_least"] == 50
    assert bench.ask("at", tpot=0.04)[0]["value"] == 100, "what was measured is one configuration's"
    assert [row["reason"] for row in bench.ask("at", tpot=0.03, by="steps,seqs")] == [
        "cannot tell: beyond the measured range 0.02..0.02", "cannot tell: beyond the measured range 0.04..0.04",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        ({"parallelism": "tp=2"}, {"parallelism": "tp=4"}, "parallelism (tp=2, tp=4)"),
        ({"device_count": 2}, {"device_count": 4}, "device_count (2, 4)"),
        ({"config": {"eager": True}}, {"config": {"eager": False}}, "eager (True, False)"),
        ({"config": {"eager": True}}, {}, None),
        ({"config": {"qps": 1, "max_concurrency": 1}}, {"config": {"qps": 2, "max_concurrency": 2}}, None),
        ({"config": {"filename": "x", "loop": {"n": 1}}}, {"config": {"filename": "y", "loop": {"n": 2}}}, None),
    ],
)
def test_settings_that_both_state_keep_a_curve_apart(bench, one, other, differ):
    bench.cell("a/1", load=1, tps=100, tpot=0.02, **one)
    bench.cell("a/2", load=2, tps=400, tpot=0.04, **other)
    (row,) = bench.ask("at", concurrency=1.5)
    if differ is None:
        assert (row["method"], row["reason"]) == ("interpolated", None)
    else:
        assert row["value"] is None
        assert row["reason"].startswith(f"cannot tell: the neighbours differ in {differ}; --by ")


def test_points_of_another_configuration_do_not_bend_the_curve(bench):
    for load, tps in ((1, 100), (2, 200), (4, 400)):
        bench.cell(f"a/{load}", load=load, tps=tps, config={"spec": "none"})
    alone = bench.ask("at", concurrency=3)[0]["value"]
    bench.cell("a/8", load=8, tps=4000, config={"spec": "mtp"})
    (row,) = bench.ask("at", concurrency=3)
    assert (row["value"], row["points"]) == (pytest.approx(alone, rel=1e-12), 4)
    assert alone == pytest.approx(150)


def test_runs_that_do_not_say_their_device_repeat_nothing_in_any_answer(bench):
    """What tells them apart may stand in the names of their files alone."""
    for name, tps in (("2p2d", 7503), ("3p1d", 6078)):
        bench.cell(f"a/{name}", tps=tps, device=None)
    rows = bench.ask("lengths")
    assert [(row["run_id"], row["runs"], row["throughput"]) for row in rows] == [
        ("a/2p2d", 1, 7503 / 2), ("a/3p1d", 1, 6078 / 2),
    ]  # fmt: skip
    assert [row["runs"] for row in bench.ask("frontier", all=True)] == [1, 1]
    assert [row["runs"] for row in bench.ask("slo", ttft=1, all=True)] == [1, 1]
    (row,) = bench.ask("at", concurrency=8)
    assert (row["value"], row["run_id"]) == (None, "a/2p2d, a/3p1d")
    assert row["reason"].startswith("cannot tell: several runs at one load do not say their model or device")
    bench.cell("a/4p4d", load=16, tps=9000, tpot=0.04, device=None)
    (row,) = bench.ask("at", tpot=0.03)
    assert (row["value"], row["below"], row["above"]) == (None, 7503 / 2, 4500), "the curve may be of two systems"
    assert row["reason"].startswith("cannot tell: several runs at one load")
    assert bench.ask("at", tpot=0.03, pick="a/[24]*")[0]["method"] == "interpolated"


def test_repeats_that_say_their_device_are_their_median(bench):
    for i, tps in enumerate([100, 140, 120]):
        bench.cell(f"a/{i}", tps=tps, config={"run_number": i, "filename": f"f{i}"})
    (row,) = bench.ask("at", concurrency=8)
    assert (row["value"], row["method"], row["runs"]) == (60, "measured", 3)
    assert [(row["throughput"], row["runs"]) for row in bench.ask("lengths")] == [(60, 3)]


# --------------------------------------------------------------------------- slo


def some_requests():
    """Hundred requests: TTFT rises from 0.01 to 1 s, TPOT is a tenth of it; some fail, some have one token."""
    made = []
    for i in range(1, 101):
        ttft = i / 100
        made.append({"started": i / 10, "ttft": ttft, "e2e": ttft + ttft, "output_tokens": 11, "input_tokens": 5})
        if i % 10 == 0:
            made[-1] |= {"output_tokens": 1, "e2e": ttft}
    made[0] |= {"success": False}
    made[1] |= {"output_tokens": 0, "ttft": None, "e2e": None}
    made[2] |= {"ttft": None}
    return made


def meets(request, ttft=math.inf, tpot=math.inf, e2e=math.inf, lone=True):
    """A plain reading of the rule."""
    if request.get("success") is False or request["output_tokens"] == 0:
        return False
    if ttft < math.inf and (request["ttft"] is None or request["ttft"] > ttft):
        return False
    if e2e < math.inf and request["e2e"] > e2e:
        return False
    if tpot < math.inf:
        if request["output_tokens"] == 1:
            return lone
        return request["ttft"] is not None and (request["e2e"] - request["ttft"]) / 10 <= tpot
    return True


LIMITS = [{"ttft": 0.5}, {"tpot": 0.0405}, {"e2e": 1.0}, {"ttft": 0.9, "tpot": 0.0405, "e2e": 0.7}]


@pytest.mark.parametrize("limits", LIMITS)
def test_the_share_is_counted_and_has_wilson_limits(bench, limits):
    made = some_requests()
    bench.requests("a/1", made)
    (row,) = bench.ask("slo", **limits)
    met = sum(meets(r, **limits) for r in made)
    wanted = binomtest(met, 100).proportion_ci(method="wilson")
    assert (row["requests"], row["requests_met"], row["share"]) == (100, met, met / 100)
    assert (row["low"], row["high"]) == (pytest.approx(wanted.low), pytest.approx(wanted.high))
    assert (row["failed"], row["basis"]) == (2, "requests")
    assert row["verdict"] == ("meets" if wanted.low >= 0.9 else "misses" if wanted.high < 0.9 else "cannot tell")
    seconds = max(r["started"] + r["e2e"] for r in made[2:]) - made[0]["started"]
    rate = (100 - 2) / (row_started := seconds)
    assert row_started > 0
    assert row["goodput"] == pytest.approx(met / 98 * rate, rel=0.02)


def test_a_request_that_does_not_meet_is_the_source(bench):
    bench.requests("a/1", some_requests()[3:])
    (row,) = bench.ask("slo", ttft=0.5)
    assert row["source"] == f"/w/a/1.csv:{(51 - 4) + 2}"


def test_requests_of_one_token(bench):
    made = some_requests()[3:]
    bench.requests("a/1", made)
    wanted = {
        "meets": sum(meets(r, tpot=0.05) for r in made),
        "fails": sum(meets(r, tpot=0.05, lone=False) for r in made),
    }
    assert wanted["meets"] == wanted["fails"] + 10
    for word, met in wanted.items():
        (row,) = bench.ask("slo", tpot=0.05, one_token=word)
        assert (row["requests"], row["requests_met"], row["one_token"]) == (97, met, 10)
    (row,) = bench.ask("slo", tpot=0.05, one_token="left_out")
    assert (row["requests"], row["requests_met"], row["one_token"]) == (87, wanted["fails"], 0)
    (row,) = bench.ask("slo", ttft=0.5, one_token="left_out")
    assert row["requests"] == 97, "without a limit of TPOT nothing is left out"


def test_requests_that_all_have_one_token(bench):
    aggregates = [("ttft", "p99", 0.1), ("tpot", "p99", 0.01), ("completed_requests", "value", 100.0)]
    bench.requests("a/1", [{"ttft": 0.1, "e2e": 0.1, "output_tokens": 1}] * 100, aggregates=aggregates)
    limits = {"ttft": 0.5, "tpot": 0.05}
    for word, met, verdict in (("meets", 100, "meets"), ("fails", 0, "misses")):
        (row,) = bench.ask("slo", one_token=word, **limits)
        wanted = binomtest(met, 100).proportion_ci(method="wilson")
        assert (row["requests"], row["requests_met"], row["one_token"], row["verdict"]) == (100, met, 100, verdict)
        assert (row["low"], row["high"]) == (pytest.approx(wanted.low), pytest.approx(wanted.high))
    (row,) = bench.ask("slo", one_token="left_out", **limits)
    assert (row["verdict"], row["reason"], row["basis"]) == ("cannot tell", "all requests have one token", None)
    bench.requests("b/1", [{"output_tokens": 1}] * 50 + [{"output_tokens": 5, "e2e": 2.0}] * 50, model="other")
    (row,) = bench.ask("slo", tpot=0.05, model="other")
    assert row["reason"] == "the records of the requests have no tpot", "those of several tokens were not measured"


def test_requests_that_the_end_of_the_benchmark_cut_off_are_left_out(bench):
    made = closed_loop()
    bench.requests("a/1", made)
    cut = {"success": None, "error": "Request was cancelled"}
    last = max(r["started"] for r in made)
    also = [{"started": last, "ttft": 9.0, "e2e": 0.4, "output_tokens": tokens} | cut for tokens in (9, 0)]
    bench.requests("b/1", [*made, *also])
    bench.requests("c/1", [cut] * 3)
    whole, more, nothing = sorted(bench.ask("slo", ttft=0.5, all=True, by="run_id"), key=lambda row: row["run_id"])
    names = ("requests", "requests_met", "share", "low", "high", "failed", "verdict", "goodput")
    assert {name: more[name] for name in names} == {name: whole[name] for name in names}
    assert (more["requests_met"], more["failed"], more["cut_off"], whole["cut_off"]) == (200, 0, 2, 0)
    assert (nothing["verdict"], nothing["reason"]) == ("cannot tell", "the benchmark's end cut off all requests")
    whole, more, nothing = sorted(bench.ask("serving"), key=lambda row: row["run_id"])
    for name in ("success", "output_tokens_per_second", "ttft", "e2e", "without_tokens"):
        assert more[name] == whole[name]
    assert (more["success"], nothing["success"], nothing["ttft"]) == (1, None, None)
    whole, more, nothing = sorted(bench.ask("steady"), key=lambda row: row["run_id"])
    assert (more["requests"], more["failed"], more["cut_off"], more["ttft"]) == (202, 0, 2, whole["ttft"])
    assert (nothing["failed"], nothing["cut_off"]) == (0, 3)


@pytest.mark.parametrize("limit", [0.2, 1e308])
def test_aggregates_tell_nothing_that_the_requests_do_not(bench, limit):
    times = [0.1 if i < 19 else 0.3 for i in range(20)]
    aggregates = [("ttft", f"p{q}", float(np.percentile(times, q))) for q in range(5, 100, 5)]
    aggregates += [("ttft", "mean", float(np.mean(times))), ("ttft", "std", float(np.std(times)))]
    numbers = [("completed_requests", "value", 20.0), ("failed_requests", "value", 0.0)]
    bench.requests("a/1", [{"ttft": t, "output_tokens": 9} for t in times])
    bench.requests("b/1", [], aggregates=aggregates + numbers)
    bench.requests("c/1", [], aggregates=aggregates)
    rows = bench.ask("slo", ttft=limit, share=0.5, all=True, by="run_id")
    records, counted, alone = sorted(rows, key=lambda row: row["run_id"])
    assert [row["basis"] for row in (records, counted, alone)] == ["requests", "bounds", "bounds"]
    assert records["low"] - 0.1 < counted["low"] <= records["low"]
    assert records["high"] <= counted["high"]
    assert [row["verdict"] for row in (records, counted, alone)] == ["meets"] * 3
    assert [row["reason"] for row in (records, counted)] == [None, None]
    assert alone["reason"] == "of these requests alone: nobody says how many there were"
    rows = bench.ask("slo", ttft=limit, share=0.88, all=True, by="run_id")
    verdicts = {row["run_id"]: row["verdict"] for row in rows}
    assert verdicts == {"a/1": "cannot tell", "b/1": "cannot tell", "c/1": "meets"}


def test_times_that_nobody_recorded(bench):
    bench.requests("a/1", [{"e2e": 1.0, "output_tokens": 5}] * 50)
    (row,) = bench.ask("slo", ttft=1, e2e=2)
    assert (row["verdict"], row["reason"]) == ("cannot tell", "the records of the requests have no ttft")
    (row,) = bench.ask("slo", e2e=2)
    assert (row["verdict"], row["unmeasured"]) == ("meets", 0)


def loads(bench, shares, n=400, **facts):
    for load, share in shares.items():
        bench.requests(
            f"a/{load}", [{"ttft": 0.1 if i < share * n else 9.0, "e2e": 10.0, "output_tokens": 9} for i in range(n)],
            config={"concurrency": load}, **facts,
        )  # fmt: skip


def test_the_largest_load_that_meets(bench):
    loads(bench, {1: 1.0, 2: 0.98, 4: 0.95, 8: 0.6, 16: 0.1})
    (row,) = bench.ask("slo", ttft=1)
    assert (row["run_id"], row["largest_load"], row["next_load"], row["load"]) == ("a/4", 4, 8, "concurrency")
    (row,) = bench.ask("slo", ttft=1, share=0.5)
    assert (row["run_id"], row["largest_load"], row["next_load"]) == ("a/8", 8, 16)
    (row,) = bench.ask("slo", ttft=1, share=0.05)
    assert (row["run_id"], row["largest_load"], row["next_load"]) == ("a/16", 16, None)
    (row,) = bench.ask("slo", ttft=0.01)
    assert (row["run_id"], row["verdict"], row["largest_load"], row["next_load"]) == ("a/1", "misses", None, 1)
    everything = bench.ask("slo", ttft=1, all=True)
    assert [row["verdict"] for row in everything] == ["meets"] * 3 + ["misses"] * 2
    assert {row["largest_load"] for row in everything} == {4}


def test_a_load_meets_when_all_its_runs_do_and_a_smaller_one_that_misses_is_told(bench):
    loads(bench, {1: 0.2, 2: 1.0, 4: 1.0})
    bench.requests("b/4", [{"ttft": 9.0, "output_tokens": 9}] * 100, config={"concurrency": 4})
    (row,) = bench.ask("slo", ttft=1)
    assert (row["run_id"], row["reason"], row["next_load"]) == ("a/2", "a smaller load misses: 1", 4)


def test_few_requests_cannot_tell(bench):
    loads(bench, {4: 0.95}, n=20)
    (row,) = bench.ask("slo", ttft=1)
    assert row["verdict"] == "cannot tell"
    assert row["reason"] == "20 requests are too few: 0.9 lies within their 95 % limits"


def test_the_load_is_what_was_varied(bench):
    for rate in (1.0, 2.0, 4.0):
        bench.requests(
            f"a/{rate:g}",
            [{"ttft": rate / 2, "output_tokens": 2}] * 100,
            config={"concurrency": 64, "request_rate": rate},
        )
    (row,) = bench.ask("slo", ttft=1)
    assert (row["load"], row["largest_load"], row["next_load"]) == ("request_rate", 2, 4)


def test_aggregates_give_bounds(bench):
    numbers = {("completed_requests", "value"): 90.0, ("failed_requests", "value"): 10.0, ("ttft", "p90"): 1.0}
    bench.cell("a/1", extra=numbers.items())
    (row,) = bench.ask("slo", ttft=1.0, share=0.8)
    # the place of p90 among 90 values is 80.1, so 81 to 90 of them lie within; ten failed
    low, high = (binomtest(met, 100).proportion_ci(method="wilson") for met in (81, 90))
    assert (row["basis"], row["share"], row["low"], row["high"]) == (
        "bounds", None, pytest.approx(low.low), pytest.approx(high.high),
    )  # fmt: skip
    assert (row["verdict"], row["requests"], row["failed"], row["requests_met"]) == ("cannot tell", 100, 10, None)
    assert bench.ask("slo", ttft=1.0, share=0.7)[0]["verdict"] == "meets"
    assert row["goodput_low"] == pytest.approx(low.low * 10 / 0.9)
    (row,) = bench.ask("slo", ttft=0.99, share=0.95)
    assert row["verdict"] == "misses"
    (row,) = bench.ask("slo", ttft=1.0, share=0.85)
    assert row["verdict"] == "cannot tell"
    assert row["reason"] == "aggregates of 100 requests bound the share only to 0.722..0.945"


def test_aggregates_without_the_time_cannot_tell(bench):
    bench.cell("a/1", tpot=None, ttft=None)
    (row,) = bench.ask("slo", ttft=1, tpot=1)
    assert (row["verdict"], row["reason"]) == ("cannot tell", "no ttft and no tpot is stated")


def test_failed_runs_meet_nothing(bench):
    bench.cell("a/1", status="failed")
    (row,) = bench.ask("slo", ttft=10)
    assert (row["verdict"], row["high"]) == ("misses", 0)


def test_slo_is_filtered(bench):
    bench.cell("a/1", config={"spec": "none"})
    bench.cell("a/2", load=16, config={"spec": "mtp"})
    bench.cell("b/2", device="e", model="other")
    assert runs(bench.ask("slo", device="d", ttft=9)) == ["a/2"]
    assert runs(bench.ask("slo", device="d", ttft=9, by="spec")) == ["a/1", "a/2"]
    assert runs(bench.ask("slo", model="other", ttft=9)) == runs(bench.ask("slo", pick="b/*", ttft=9)) == ["b/2"]


# --------------------------------------------------------------------------- from requests


def closed_loop(n=4, count=200, seed=1):
    """Requests of ``n`` clients with a slow start, as plain dicts."""
    generator = np.random.default_rng(seed)
    free = [float(i) for i in range(n)]
    made = []
    for _ in range(count):
        i = free.index(min(free))
        tokens = int(generator.integers(20, 60))
        ttft, e2e = 0.1 + 0.02 * generator.random(), 0.0
        e2e = ttft + (tokens - 1) * 0.02
        made.append({"started": 1e9 + free[i], "ttft": ttft, "e2e": e2e, "output_tokens": tokens, "input_tokens": 7})
        free[i] += e2e
    return made


def test_serving_adds_up_requests_where_nothing_is_stated(bench):
    made = closed_loop()
    made[3] |= {"success": False}
    bench.requests("a/1", made, config={"request_rate": 4})
    (row,) = bench.ask("serving", statistic="p90")
    done = [r for i, r in enumerate(made) if i != 3]
    seconds = max(r["started"] + r["e2e"] for r in done) - min(r["started"] for r in made)
    assert row["output_tokens_per_second"] == pytest.approx(sum(r["output_tokens"] for r in done) / seconds)
    assert row["total_tokens_per_second"] == pytest.approx(sum(r["output_tokens"] + 7 for r in done) / seconds)
    assert row["requests_per_second"] == pytest.approx(199 / seconds)
    for name, of in (
        ("ttft", lambda r: r["ttft"]),
        ("e2e", lambda r: r["e2e"]),
        ("tpot", lambda r: (r["e2e"] - r["ttft"]) / (r["output_tokens"] - 1)),
    ):
        for column, q in ((f"{name}_p50", 50), (f"{name}_p99", 99), (name, 90)):
            assert row[column] == pytest.approx(np.percentile([of(r) for r in done], q))
        assert row[f"{name if name != 'e2e' else 'e2e'}_definition"].endswith("@requests")
    assert (row["tps_definition"], row["success"]) == ("output_tokens_per_second@requests", 199 / 200)
    assert (row["request_rate"], row["source"], row["status"]) == (4, "/w/a/1.csv:2", "completed")


def test_what_is_stated_stands(bench):
    aggregates = [
        ("output_tokens_per_second", "value", 77.0),
        ("ttft", "mean", 0.5),
        ("completed_requests", "value", 9.0),
    ]
    bench.requests("a/1", closed_loop(), aggregates=aggregates)
    (row,) = bench.ask("serving")
    assert (row["output_tokens_per_second"], row["ttft"], row["ttft_p50"], row["success"]) == (77, 0.5, None, None)
    assert (row["ttft_definition"], row["tpot_definition"]) == (None, "tpot@requests")
    assert row["tpot_p50"] == pytest.approx(0.02)


def test_requests_without_times_or_of_several_cells_add_up_to_no_speed(bench):
    bench.requests("a/1", [{"ttft": 1.0, "e2e": 2.0, "output_tokens": 5}] * 3)
    (row,) = bench.ask("serving")
    assert (row["output_tokens_per_second"], row["ttft"], row["tpot"], row["tps_definition"]) == (None, 1, 0.25, None)
    name = "b/1"
    cells = [Measurement(name, "success_rate", 1.0, concurrency=c) for c in (1.0, 2.0)]
    request = Request(name, 0, started=0.0, ttft=1.0, e2e=2.0, output_tokens=5, success=True)
    bench.store.commit([Source("/w/b").replace(Run(name, "/w/b", kind="serving"), *cells, request)])
    assert [row["ttft"] for row in bench.ask("serving", pick="b/1")] == [None, None]


def test_requests_that_all_failed_are_a_failed_cell(bench):
    bench.requests("a/1", [{"success": False}] * 3)
    (row,) = bench.ask("serving")
    assert (row["status"], row["success"]) == ("failed", 0)


def test_requests_that_completed_without_a_token_are_counted(bench):
    """Their zeros are in the mean that the tool states; the requests tell the mean of those that had a first token."""
    made = [{"ttft": 1.0, "e2e": 2.0, "output_tokens": 5}] * 6 + [{"output_tokens": 0}] * 4
    bench.requests("a/1", made, aggregates=[("ttft", "mean", 0.6), ("completed_requests", "value", 10.0)])
    bench.requests("b/1", made)
    bench.cell("c/1")
    rows = {row["run_id"]: row for row in bench.ask("serving")}
    assert {run: row["without_tokens"] for run, row in rows.items()} == {"a/1": 4, "b/1": 4, "c/1": None}
    assert (rows["a/1"]["ttft"], rows["b/1"]["ttft"], rows["b/1"]["success"]) == (0.6, 1.0, 0.6)


@pytest.mark.parametrize("word", ["mean", "std", "min", "max", "p0", "p37.5", "p100", "sum"])
def test_statistics_of_requests_are_numpys(bench, word):
    bench.requests("a/1", closed_loop())
    (row,) = bench.ask("serving", statistic=word)
    values = [r["ttft"] for r in closed_loop()]
    wanted = {"mean": np.mean, "std": np.std, "min": np.min, "max": np.max, "sum": lambda _: None}.get(
        word, lambda v: np.percentile(v, float(word[1:]))
    )(values)
    assert row["ttft"] == (wanted if wanted is None else pytest.approx(wanted))


# --------------------------------------------------------------------------- steady


def test_the_steady_state_of_clients_is_faster_than_the_whole(bench):
    made = closed_loop()
    bench.requests("a/1", made, config={"concurrency": 4})
    (row,) = bench.ask("steady")
    starts = [r["started"] for r in made]
    assert row["steady"] is True
    assert (row["begin"], row["end"]) == (pytest.approx(3), pytest.approx(max(starts) - min(starts)))
    assert (row["in_flight"], row["concurrency"]) == (pytest.approx(4, rel=0.01), 4)
    inside = [r for r in made if 3 <= r["started"] - 1e9 <= row["end"] + 1e-9]
    assert (row["started_inside"], row["requests"]) == (len(inside), 200)
    assert row["ttft"] == pytest.approx(np.mean([r["ttft"] for r in inside]))
    ended = [r for r in made if 3 <= r["started"] + r["e2e"] - 1e9 <= row["end"]]
    assert (row["ended_inside"], row["requests_per_second"]) == (len(ended), len(ended) / (row["end"] - row["begin"]))
    assert row["e2e"] == pytest.approx(np.mean([r["e2e"] for r in ended]))
    (whole,) = bench.ask("serving")
    for name in ("output_tokens_per_second", "requests_per_second", "ttft", "tpot", "e2e"):
        assert row[f"whole_{name}"] == pytest.approx(whole[name]), "the whole is what `serving` says"
    # each client gives a token every 20 ms, but for the wait for the first
    share = np.mean([(r["output_tokens"] - 1) * 0.02 / r["e2e"] for r in made])
    assert row["output_tokens_per_second"] == pytest.approx(4 / 0.02 * share, rel=0.05)
    assert row["ratio"] == row["output_tokens_per_second"] / row["whole_output_tokens_per_second"] > 1.02
    lines = [int(row[k].removeprefix("/w/a/1.csv:")) - 2 for k in ("source", "last_source")]
    assert [made[i]["started"] for i in lines] == [min(r["started"] for r in inside), max(starts)]


def test_the_statistic_of_the_steady_state(bench):
    bench.requests("a/1", closed_loop())
    means, tails = (bench.ask("steady", statistic=word)[0] for word in ("mean", "p99"))
    assert tails["ttft"] > means["ttft"]
    assert tails["whole_tpot"] == pytest.approx(0.02)


def test_runs_without_a_steady_state_say_why(bench):
    bench.requests("a/1", [{"ttft": 1.0, "e2e": 2.0, "output_tokens": 5}] * 30)
    bench.requests("b/1", [{"started": i / 1e3, "ttft": 1.0, "e2e": 2.0, "output_tokens": 5} for i in range(30)])
    bench.requests("c/1", closed_loop(), model="other", device="e")
    rows = {row["run_id"]: row for row in bench.ask("steady")}
    assert rows["a/1"]["reason"] == "cannot tell: the requests' records have no starts or no ends"
    assert rows["b/1"]["reason"] == "cannot tell: the requests were sent all at once: the load only runs out"
    assert (rows["b/1"]["ttft"], rows["b/1"]["whole_ttft"], rows["b/1"]["begin"]) == (None, 1.0, None)
    assert (rows["a/1"]["without_times"], rows["c/1"]["reason"]) == (30, None)
    assert next(iter(rows)) == "c/1"
    assert runs(bench.ask("steady", pick="b/*")) == ["b/1"]
    assert runs(bench.ask("steady", model="other")) == runs(bench.ask("steady", device="e")) == ["c/1"]


def test_failed_requests_count_in_flight_only(bench):
    made = closed_loop()
    made[50] |= {"success": False}
    bench.requests("a/1", made)
    (row,) = bench.ask("steady")
    assert (row["failed"], row["in_flight"]) == (1, pytest.approx(4, rel=0.01))


def test_an_empty_store_has_no_rows(bench):
    assert [bench.ask(name) for name in ("frontier", "lengths", "steady")] == [[], [], []]
    assert bench.ask("at", tpot=1) == bench.ask("slo", ttft=1) == []


@pytest.mark.parametrize("name", ["frontier", "slo", "at", "steady"])
def test_each_question_says_what_it_is(name):
    question = find(name)
    assert question.title.endswith("?")
    assert question.description
    assert all(p.text for p in question.parameters)
