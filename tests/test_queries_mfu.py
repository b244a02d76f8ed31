"""`mfu`: the seeds' tables, plain arithmetic, and why there is no number."""

import pytest

import llmstats
from llmstats.records import Measurement, Run

from .store_deltas import Source, fresh_store, points

A100 = {"vendor": "NVIDIA", "device": "NVIDIA_A100-SXM4-40GB"}
SPEED = "tokens_per_second_per_device"


class Bench:
    def __init__(self, path):
        self.path = str(path)
        self.store = fresh_store(path)

    def stated(self, name, metric, value, mfu=None, unit="token/s", labels=None, more=(), **facts):
        """A run that states one speed, and perhaps an MFU."""
        facts = {"kind": "training", "precision": "bf16"} | facts
        items = [Measurement(name, metric, value, line=7, unit=unit, **dict(more))]
        if mfu is not None:
            items.append(Measurement(name, "mfu", mfu, line=8, definition="mfu@toy"))
        source = Source(f"/w/{name}.md", labels=labels)
        self.store.commit([source.replace(Run(name, f"/w/{name}", **facts), *items)])

    def ask(self, **parameters):
        answer = llmstats.open(self.path).query("mfu", **parameters)
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]

    def one(self, **parameters):
        (row,) = self.ask(**parameters)
        return row


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "s.duckdb")


@pytest.mark.parametrize(
    ("model", "speed", "devices", "published", "nominal", "exact"),
    [
        # FlagPerf's tables: N of its configurations is the round number of the name; tokens are those of prompts
        ("deepseek-llm-7b-base", 10338.8, 1, 0.464, 7e9, 6910365696),
        ("Meta-Llama-3-8B", 9051.3, 1, 0.464, 8e9, 8030261248),
        ("aquila33B", 8724.0, 8, 0.238, 34e9, 33693554688),
    ],
)
def test_the_published_tables(bench, model, speed, devices, published, nominal, exact):
    facts = {"kind": "inference", "model": model, "precision": "fp16", "device_count": devices, **A100}
    bench.stated("page", "inference_throughput_core", speed, published, **facts)
    row = bench.one()
    assert row["mfu_nominal"] == pytest.approx(speed / devices * 2 * nominal / 312e12)
    assert round(row["mfu_nominal"], 3) == row["mfu_published"] == published
    assert row["mfu"] == pytest.approx(speed / devices * 2 * exact / 312e12)
    assert row["published_multiplier"] == pytest.approx(2, abs=0.01)
    assert (row["parameters"], row["parameters_nominal"], row["peak"]) == (exact, nominal, 312e12)
    assert (row["flag"], row["reason"], row["definition"]) == (None, None, "mfu@recomputed")
    assert row["source"] == "/w/page.md:7"


def test_the_formula_is_shown_with_its_numbers(bench):
    bench.stated("a", SPEED, 3698.7, model="llama3_8B", device="A100")
    bench.stated("b", SPEED, 1000.0, model="Mixtral-8x7B", config={"seq_length": 4096}, **A100)
    rows = {row["run_id"]: row for row in bench.ask()}
    assert rows["a"]["formula"] == "3698.7 token/s x (6 x 8.03e+09) FLOP/token / 3.12e+14 FLOP/s (bf16 dense)"
    assert rows["b"]["formula"] == (
        "1000 token/s x (6 x 1.288e+10 active + 12 x 32 x 4096 x 4096) FLOP/token / 3.12e+14 FLOP/s (bf16 dense)"
    )
    assert rows["a"]["peak_source"].startswith("NVIDIA A100 datasheet")


def test_attention_counts_where_the_sequence_is_known(bench):
    bench.stated("a", SPEED, 1000.0, model="llama3_8B", config={"seq_length": 8192}, **A100)
    linear, attention = 6 * 8030261248, 12 * 32 * 4096 * 8192
    assert bench.one()["flops_per_token"] == linear + attention
    assert bench.one()["mfu"] == pytest.approx(1000 * (linear + attention) / 312e12)
    assert bench.one(attention=False)["mfu"] == pytest.approx(1000 * linear / 312e12)
    assert bench.one()["mfu_nominal"] == pytest.approx(1000 * 6 * 8e9 / 312e12)


def test_a_difference_from_the_published_is_flagged(bench):
    bench.stated("a", SPEED, 4017.0, 0.361, model="llama2_7b", **A100)
    row = bench.one()
    assert row["difference"] == pytest.approx(4017 * 6 * 6738415616 / 312e12 - 0.361)
    assert row["flag"] == "+16.0 points from the published, which counts 4 FLOP per token and parameter"
    assert bench.one(tolerance=0.2)["flag"] is None


def test_a_published_range_is_met_at_its_nearer_end(bench):
    for name, low, high in (("in", 0.2, 0.6), ("below", 0.1, 0.2), ("above", 0.6, 0.7)):
        bench.stated(name, SPEED, 3000.0, model="llama2_7b", **A100)
        more = [Measurement(name, "mfu", v, line=9, statistic=s) for v, s in ((low, "min"), (high, "max"))]
        bench.store.commit([Source(f"/w/{name}.range.md").replace(Run(name, f"/w/{name}", kind="training"), *more)])
    mfu = 3000 * 6 * 6738415616 / 312e12
    found = {row["run_id"]: row["difference"] for row in bench.ask()}
    assert found == {"in": 0, "below": pytest.approx(mfu - 0.2), "above": pytest.approx(mfu - 0.6)}


def test_systems_are_shared_among_their_devices(bench):
    bench.stated("a", "tokens_per_second", 8000.0, model="llama2_7b", device_count=8, **A100)
    row = bench.one()
    assert (row[SPEED], row["devices"], row["devices_from"]) == (1000.0, 8, "device_count")


def test_all_tokens_of_a_serving_benchmark_count(bench):
    facts = {"kind": "serving", "model": "Qwen/Qwen2.5-7B", "device": "H200", "device_count": 1}
    bench.stated("all", "total_tokens_per_second", 5000.0, more={"input_len": 1024.0, "output_len": 128.0}, **facts)
    bench.stated("out", "output_tokens_per_second", 500.0, **facts)
    rows = {row["run_id"]: row for row in bench.ask()}
    assert rows["all"]["mfu"] == pytest.approx(5000 * 2 * 7615616512 / 989e12)
    assert rows["all"]["settings"] == "input 1024; output 128"
    assert rows["out"]["reason"] == "only generated tokens are counted, not those of the prompts"


def test_a_training_log(bench):
    """Tokens per second from the steady steps of a log, published MFU from the same steps."""
    run = Run("log", "/w/log", kind="training", model="Qwen3-14B", precision="bf16", device="B200", device_count=8)
    steps = range(1, 101)
    bench.store.commit([
        Source("/w/log.txt").replace(
            run,
            points("log", steps, {SPEED: [10000.0] * 100}, definition="tgs@log_window"),
            points("log", steps, {"mfu": [0.01] * 10 + [0.40, 0.42] * 45}, definition="mfu@toy"),
        )
    ])  # fmt: skip
    row = bench.one()
    assert row["mfu"] == pytest.approx(10000 * 6 * 14768307200 / 2250e12)
    assert (row["mfu_published"], row["published_definition"]) == (pytest.approx(0.41), "mfu@toy")
    assert row["throughput_definition"] == "harmonic_mean(tgs@log_window)"


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"kind": None}, "the run does not say whether it trains or infers"),
        ({"model": None}, "the run names no model"),
        ({"model": "toy-7b"}, "the catalogue has no model toy-7b"),
        ({"model": "bert"}, "bert may be BERT-Base | BERT-Large"),
        ({"model": "llama2_70b_lora"}, "6 N does not hold for LoRA: frozen weights need no gradients"),
        ({"precision": None}, "the run states no precision"),
        ({"precision": "bf16+fp8"}, "no peak is defined for the precision bf16+fp8"),
        ({"precision": "fp32"}, "fp32 may have run as FP32 or as TF32 (25.9 % to 207.3 %)"),
        ({"precision": "fp8"}, "no public dense fp8 peak of A100-SXM4-40GB"),
        ({"vendor": None, "device": None}, "the run names no device"),
        ({"vendor": "Toy", "device": "X1"}, "the catalogue has no device Toy X1"),
        ({"device": "H100"}, "H100 has variants with other peaks (4.1 % to 5.3 %)"),
        ({"vendor": None, "device": "910B"}, "910B has variants, not all with a known bf16 peak"),
        (
            {"vendor": "Iluvatar", "device": "BI-V150"},
            "one BI-V150 shows as 2 devices, and which of them was counted is not said (21.1 % to 42.1 %)",
        ),
    ],
)
def test_why_there_is_no_number(bench, facts, reason):
    bench.stated("a", SPEED, 1000.0, 0.5, **({"model": "llama2_7b", **A100} | facts))
    row = bench.one()
    assert (row["mfu"], row["mfu_nominal"], row["formula"], row["difference"]) == (None, None, None, None)
    assert (row["reason"], row["mfu_published"]) == (reason, 0.5)


def test_no_number_of_devices(bench):
    bench.stated("a", "tokens_per_second", 1000.0, model="llama2_7b", **A100)
    assert bench.one()["reason"] == "the number of devices is unknown"


def test_a_speed_in_samples_is_none_in_tokens(bench):
    bench.stated("a", "samples_per_second", 12.0, 0.3, unit="sample/s", model="llama2_7b", **A100)
    assert bench.one()["reason"] == "no speed in tokens per second"


def test_labels_settle_what_the_log_leaves_open(bench):
    labels = {"parameters": "3e9", "peak_bf16": "256e12"}
    bench.stated("a", SPEED, 1000.0, model="toy-3b", device="X1", labels=labels)
    row = bench.one()
    assert (row["mfu"], row["peak_source"]) == (pytest.approx(1000 * 6 * 3e9 / 256e12), "label of the run")


def test_a_label_stands_before_the_catalogue_and_is_named_as_the_source(bench):
    bench.stated("a", SPEED, 1000.0, model="llama2_7b", labels={"peak_bf16": "256e12"}, **A100)
    bench.stated("b", SPEED, 1000.0, model="llama2_7b", labels={"peak_fp16": "256e12"}, **A100)
    rows = {row["run_id"]: row for row in bench.ask()}
    assert (rows["a"]["peak"], rows["a"]["peak_source"]) == (256e12, "label of the run")
    assert rows["b"]["peak"] == 312e12
    assert rows["b"]["peak_source"].startswith("NVIDIA A100 datasheet")


@pytest.mark.parametrize("label", ["peak_bf16", "parameters"])
@pytest.mark.parametrize("value", ["nan", "0", "-1", "inf", "many"])
def test_a_label_that_is_no_positive_number_gives_none(bench, label, value):
    bench.stated("a", SPEED, 1000.0, model="llama2_7b", labels={label: value}, **A100)
    row = bench.one()
    assert (row["mfu"], row["reason"]) == (None, f"the label {label} is no positive number: {value}")


@pytest.mark.parametrize(("multiplier", "told"), [(2, True), (4, True), (5, False), (6, False), (7, False), (8, True)])
def test_the_flag_names_a_multiplier_that_is_in_use(bench, multiplier, told):
    """Of the nominal parameters: 7e9."""
    published = multiplier * 4000 * 7e9 / 312e12
    bench.stated("a", SPEED, 4000.0, published, model="llama2_7b", **A100)
    row = bench.one(tolerance="0.001")
    assert row["published_multiplier"] == pytest.approx(multiplier)
    assert (f"which counts {multiplier} FLOP per token" in row["flag"]) == told


def test_mixed_precision_is_taken_over_the_16_bit_peak(bench):
    bench.stated("a", SPEED, 1000.0, model="llama2_7b", precision="amp", **A100)
    bench.stated("b", SPEED, 1000.0, model="llama2_7b", precision="amp", device="Ascend910B3")
    rows = {row["run_id"]: row for row in bench.ask()}
    assert rows["a"]["peak"] == 312e12
    assert rows["b"]["reason"] == "amp has several peaks (12.9 % to 13.7 %)"


def test_more_than_the_peak_cannot_be_right(bench):
    bench.stated("a", SPEED, 20106.0, model="llama2_7b", **A100)
    assert bench.one()["flag"] == "above the peak: number of devices, precision or peak cannot be right"


def test_what_is_asked_for(bench):
    bench.stated("a", SPEED, 1000.0, model="llama2_7b", **A100)
    bench.stated("b", SPEED, 1000.0, model="Qwen2.5-7B", device="H200")
    assert [row["run_id"] for row in bench.ask()] == ["a", "b"]
    assert [row["run_id"] for row in bench.ask(pick="b")] == ["b"]
    assert [row["run_id"] for row in bench.ask(model="Llama-2*")] == ["a"]
    assert [row["run_id"] for row in bench.ask(model="llama2_7b")] == ["a"]
    assert [row["run_id"] for row in bench.ask(device="H200*")] == ["b"]
    assert [row["run_id"] for row in bench.ask(device="nvidia")] == ["a", "b"]


def test_a_run_without_a_name_whose_arguments_describe_the_network(bench):
    config = {
        "num_layers": 16, "hidden_size": 2048, "ffn_hidden_size": 8192, "num_attention_heads": 32, "kv_channels": 64,
        "group_query_attention": True, "num_query_groups": 8, "vocab_size": 32768, "swiglu": True, "seq_length": 2048,
    }  # fmt: skip
    bench.stated("a", SPEED, 30000.0, config=config, labels={"device": "H100-SXM5-80GB"})
    row = bench.one()
    n = 32768 * 2048 + 16 * (2048 * 2048 * 2 + 2 * 2048 * 512 + 3 * 2048 * 8192)
    assert (row["parameters"], row["parameters_from"]) == (n, "configuration")
    assert row["mfu"] == pytest.approx(30000 * (6 * n + 12 * 16 * 2048 * 2048) / 989e12)
