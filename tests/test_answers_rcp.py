"""MLPerf's reference convergence points: the test on both sides, MLPerf's own rule, and what cannot be told."""

from __future__ import annotations

import json
import math
import random
import statistics
from pathlib import Path

import pytest
from scipy import stats

import llmstats as ls
from llmstats.errors import QueryError


def points(folder: Path, benchmark: str, key: str, sizes: dict[int, list[float]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    records = {
        f"{benchmark}_ref_{size}": {
            "Benchmark": benchmark, "Creator": "Acme", "When": "now", "Platform": "toy", "BS": size,
            "Hyperparams": {"opt_base_learning_rate": 0.1}, key: values,
        }
        for size, values in sizes.items()
    }  # fmt: skip
    (folder / f"rcps_{benchmark}.json").write_text(json.dumps(records, indent=1))


def result(
    folder: Path, i: int, benchmark: str, batch: int, last: float, *, every=512, status="success", size=None
) -> None:
    """A log that evaluates at `every`, 2 x `every` … and last at `last` samples, or epochs where a size is given."""
    folder.mkdir(parents=True, exist_ok=True)

    def line(ms: int, key: str, value: object, **metadata: object) -> str:
        fields = {"namespace": "", "time_ms": 1_700_000_000_000 + ms, "event_type": "POINT_IN_TIME", "key": key,
                  "value": value, "metadata": {"file": "x.py", "lineno": 1, **metadata}}  # fmt: skip
        return f":::MLLOG {json.dumps(fields)}\n"

    lines = [line(0, "submission_benchmark", benchmark), line(1, "global_batch_size", batch)]
    lines += [line(2, "train_samples", size or 10_000), line(3, "run_start", None)]
    unit = "epoch_num" if size else "samples_count"
    lines += [line(10 + n, "eval_accuracy", 0.9 - n / 1000, **{unit: at}) for n, at in enumerate((last - every, last))]
    lines.append(line(90, "run_stop", None, status=status))
    (folder / f"result_{i}.txt").write_text("".join(lines))


def told(tmp_path: Path, **given: object) -> dict[str, dict[str, object]]:
    db = ls.open(str(tmp_path / "x.duckdb"))
    db.ingest(str(tmp_path / "in"))
    answer = db.query("rcp", **given)
    return {row[0]: dict(zip(answer.columns, row, strict=True)) for row in answer.rows}


REFERENCE = [3072, 3456, 2688, 3072, 3840, 3072, 3456, 3072, 2688, 3456, 3072, 3072]


def lab(tmp_path: Path) -> Path:
    return tmp_path / "in" / "Acme" / "results"


def test_a_system_is_tested_on_both_sides(tmp_path):
    points(tmp_path / "in" / "training_9.9", "llama2_70b_lora", "samples to converge", {8: REFERENCE})
    systems = {"fast": [2304, 2304, 2688, 2304], "same": [3072, 3456, 3072, 2688], "slow": [4224, 3840, 4224, 4608]}
    for name, values in systems.items():
        for i, value in enumerate(values):
            result(lab(tmp_path) / name / "llama2_70b_lora", i, "llama2_70b_lora", 8, value, every=384)
    rows = told(tmp_path)
    verdicts = {name.split("/")[1]: row["verdict"] for name, row in rows.items()}
    assert verdicts == {"fast": "too fast", "same": "as the reference", "slow": "too slow"}
    for name, row in rows.items():
        values = systems[name.split("/")[1]]
        assert row["mean"] == pytest.approx(statistics.fmean(values))
        faster = stats.ttest_ind(values, REFERENCE, alternative="less").pvalue
        slower = stats.ttest_ind(values, REFERENCE, alternative="greater").pvalue
        assert row["p_faster"] == pytest.approx(faster, rel=1e-9)
        assert row["p_slower"] == pytest.approx(slower, rel=1e-9)
        assert (row["n"], row["reference_n"], row["unit"], row["interpolated"]) == (4, 12, "sample", False)
        assert row["official"] == "cannot tell: 4 of 10 results"
        file, _, number = str(row["source"]).rpartition(":")
        assert f'"samples_count": {values[0]}' in Path(file).read_text().splitlines()[int(number) - 1]
    file, _, number = str(rows["Acme/same/llama2_70b_lora"]["reference_source"]).rpartition(":")
    assert '"samples to converge"' in Path(file).read_text().splitlines()[int(number) - 1]
    strict = told(tmp_path, alpha=1e-9)
    assert {row["verdict"] for row in strict.values()} == {"as the reference"}
    assert set(told(tmp_path, pick="Acme/slow/*")) == {"Acme/slow/llama2_70b_lora"}


def official_minimum(values: list[float], results: int) -> float:
    """By bisection over scipy's test, as the rules describe it: one best and one worst left out."""
    trimmed = sorted(values)[1:-1]
    mean, spread = statistics.fmean(trimmed), statistics.pstdev(values)
    low, high = 0.0, mean
    while high - low > 1e-7:
        middle = (low + high) / 2
        p = stats.ttest_ind_from_stats(middle, spread, results - 2, mean, spread, len(trimmed)).pvalue / 2
        low, high = (low, middle) if p > 0.05 else (middle, high)
    return low


def test_mlperfs_own_rule(tmp_path):
    rng = random.Random(2)
    points(tmp_path / "in" / "training_9.9", "llama2_70b_lora", "samples to converge", {8: REFERENCE})
    least = official_minimum(REFERENCE, 10)
    for name, centre in (("good", least + 200), ("bad", least - 200)):
        for i in range(10):
            value = round(centre + rng.uniform(-50, 50))
            result(lab(tmp_path) / name / "llama2_70b_lora", i, "llama2_70b_lora", 8, value)
    rows = {name.split("/")[1]: row for name, row in told(tmp_path).items()}
    assert rows["good"]["official_minimum"] == pytest.approx(least, abs=1e-3)
    assert rows["good"]["official"] == "accepted"
    assert rows["bad"]["official"] == "too fast"
    assert rows["bad"]["olympic_mean"] < least < rows["good"]["olympic_mean"]


def test_between_two_batch_sizes_and_none_beyond(tmp_path):
    sizes = {8: [1000.0, 1100, 900, 1000], 16: [2000.0, 2200, 1800, 2000]}
    points(tmp_path / "in" / "training_9.9", "llama2_70b_lora", "samples to converge", sizes)
    for batch in (10, 16, 32):
        result(lab(tmp_path) / f"box{batch}" / "llama2_70b_lora", 0, "llama2_70b_lora", batch, 1250)
    rows = {name.split("/")[1]: row for name, row in told(tmp_path).items()}
    assert (rows["box10"]["reference_mean"], rows["box10"]["interpolated"]) == (pytest.approx(1250), True)
    assert rows["box10"]["p_faster"] == pytest.approx(0.5)
    assert rows["box16"]["interpolated"] is False
    assert rows["box16"]["verdict"] == "too fast"
    assert rows["box32"]["reason"] == "no reference point at batch size 32; there are 8 to 16"
    assert rows["box32"]["verdict"] == "cannot tell"


def test_one_result_is_tested_with_the_references_spread(tmp_path):
    points(tmp_path / "in" / "training_9.9", "llama2_70b_lora", "samples to converge", {8: REFERENCE})
    result(lab(tmp_path) / "one" / "llama2_70b_lora", 0, "llama2_70b_lora", 8, 2000, every=100)
    result(lab(tmp_path) / "coarse" / "llama2_70b_lora", 0, "llama2_70b_lora", 8, 2000, every=1500)
    rows = {name.split("/")[1]: row for name, row in told(tmp_path).items()}
    n, mean, spread = len(REFERENCE), statistics.fmean(REFERENCE), statistics.stdev(REFERENCE)
    t = (2000 - mean) / (spread * math.sqrt(1 + 1 / n))
    assert rows["one"]["p_faster"] == pytest.approx(stats.t.cdf(t, n - 1), rel=1e-9)
    assert rows["one"]["verdict"] == "too fast"
    assert rows["coarse"]["verdict"] == "cannot tell"
    assert str(rows["coarse"]["reason"]).endswith("evaluated only every 1500")


def test_epochs_and_results_that_did_not_converge(tmp_path):
    points(tmp_path / "in" / "training_9.9", "rgat", "Epochs to converge", {100: [0.85, 0.8, 0.9, 0.85, 0.8, 0.85]})
    for name, states in (("a", ["success"] * 3), ("b", ["success", "success", "aborted"]), ("c", ["aborted"] * 3)):
        for i, status in enumerate(states):
            result(lab(tmp_path) / name / "rgat", i, "rgat", 100, 0.85, every=0.05, status=status, size=100_000)
    rows = {name.split("/")[1]: row for name, row in told(tmp_path).items()}
    assert (rows["a"]["unit"], rows["a"]["mean"], rows["a"]["verdict"]) == (
        "epoch", pytest.approx(0.85), "as the reference"
    )  # fmt: skip
    assert (rows["b"]["n"], rows["b"]["not_converged"], rows["b"]["verdict"]) == (2, 1, "as the reference")
    assert (rows["c"]["verdict"], rows["c"]["reason"]) == ("not converged", "3 of 3 results")


@pytest.mark.parametrize("pattern", ["\x00", "it's", "{0}"])
def test_a_pattern_may_hold_any_character(tmp_path, pattern):
    result(lab(tmp_path) / "a" / "llama2_70b_lora", 0, "llama2_70b_lora", 8, 3072)
    points(tmp_path / "in" / "training_9.9", "llama2_70b_lora", "samples to converge", {8: REFERENCE})
    (row,) = told(tmp_path, reference=pattern).values()
    assert row["reason"] == "no reference points of this benchmark are ingested (rcps_{benchmark}.json)"


def test_points_of_two_rounds_must_be_chosen(tmp_path):
    result(lab(tmp_path) / "a" / "llama2_70b_lora", 0, "llama2_70b_lora", 8, 3072)
    assert next(iter(told(tmp_path).values()))["reason"] == (
        "no reference points of this benchmark are ingested (rcps_{benchmark}.json)"
    )
    for name in ("training_8.8", "training_9.9"):
        points(tmp_path / "in" / name, "llama2_70b_lora", "samples to converge", {8: REFERENCE})
    (row,) = told(tmp_path).values()
    assert (row["verdict"], row["reason"]) == (
        "cannot tell", "reference points of several rounds: choose with --reference"
    )  # fmt: skip
    (row,) = told(tmp_path, reference="training_9.9/*").values()
    assert row["reference"] == "training_9.9/llama2_70b_lora_ref_8"
    with pytest.raises(QueryError, match=r"between 0 and 0\.5"):
        told(tmp_path, alpha=0.7)
