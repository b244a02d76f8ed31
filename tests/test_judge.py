"""Recipes over a store: which curve counts, what is told with which lines, exit codes, JUnit."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

import llmstats as ls
from llmstats.cli import main
from llmstats.errors import InputError, NotFound, RecipeError
from llmstats.judge import Judgement
from llmstats.recipes import list_recipes
from llmstats.records import Measurement, Run
from llmstats.store import Store

from .composed import Training
from .store_deltas import Source, fresh_store, points

RECIPE = """
name = "mine"
version = "2025-01-01"
benchmark = "house"
title = "a title"
text = "why"
source = { document = "a page", date = "2025-01-01" }

[[criteria]]
name = "loss"
series = ["tuning_loss", "loss"]
reading = "final"
below = 0.5
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.duckdb"


@pytest.fixture
def store(path: Path) -> Store:
    return fresh_store(path)


def add(store: Store, name: str, steps, values, metric="loss", precision="full", clock=False, **more) -> None:
    facts = {k: more.pop(k) for k in ("kind", "experiment", "resumed_from") if k in more}
    series = points(name, list(steps), {metric: list(values)}, precision, clock=clock, **more)
    run = Run(name, f"/w/{facts.get('experiment', name)}", kind=facts.pop("kind", "training"), **facts)
    store.commit([Source(f"/w/{name}/{metric}{more.get('rank', '')}.log").replace(run, series)])


def own(tmp_path: Path, text: str = RECIPE) -> str:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def told(judgement: Judgement) -> dict[str, dict[str, object]]:
    """Rows by criterion, of one experiment."""
    answer = judgement.answer()
    assert len(judgement.cases) == 1
    return {row[2]: dict(zip(answer.columns, row, strict=True)) for row in answer.rows}


# ---- the sample of the benchmark's own document, and rules of the benchmarks


def test_two_lines_of_text_are_no_verdict(store, path):
    add(store, "deepseek/20250209_074932", [8859, 8860], [0.0010, 0.0017], precision="4")
    judgement = ls.open(str(path)).judge("aichip/deepseek-v2-lite")
    rows = told(judgement)
    assert (judgement.verdict, judgement.exit_code) == ("cannot tell", 3)
    assert rows["loss"]["reason"] == "has 2 of the 50 points of a mean"
    assert rows["minimum"]["reason"] == "reached step 8860; needed: step 2000"
    assert {row["source"] for row in rows.values()} == {"/w/deepseek/20250209_074932/loss.log:8960"}
    assert rows["speed"]["result"] == "not measured"


def test_the_deepseek_rule_agrees_with_the_query_of_convergence(store, path):
    values = [2 * math.exp(-s / 400) + 0.0012 + 0.0001 * math.sin(s) for s in range(1, 4001)]
    add(store, "a", range(1, 4001), values)
    add(store, "b", range(1, 4001), [v + 0.001 for v in values])
    add(store, "c", range(1, 1900), [0.0001] * 1899)
    add(store, "d", range(1, 4001), [0.0001] * 3999 + [math.nan])
    db = ls.open(str(path))
    asked = {row[0]: row for row in db.query("convergence").rows}
    words = {"pass": "converged", "fail": "not converged", "cannot tell": "cannot tell"}
    judged = {c.experiment: c for c in db.judge("deepseek-v2-lite").cases}
    assert {k: words[c.verdict] for k, c in judged.items()} == {k: row[1] for k, row in asked.items()}
    assert judged["a"].verdict == "pass"
    assert judged["d"].findings[1].found.reason == "ends with nan at step 4000"
    number = judged["a"].findings[1].found.number
    assert number is not None
    columns = db.query("convergence").columns
    assert number.step == asked["a"][columns.index("smoothed")]
    assert number.last_at == asked["a"][columns.index("smoothed_at")]


def test_the_mixtral_rule_wants_its_window_and_measures_without_the_ends(store, path):
    loss = [0.7] * 700 + [0.62] * 500
    add(store, "a", range(1, 1201), loss)
    add(store, "a", range(1, 1201), [1.0] * 5 + [1800.0] * 1190 + [9.0] * 5, "tokens_per_second_per_device")
    rows = told(ls.open(str(path)).judge("mixtral-8x7b-qlora"))
    assert rows["loss"]["result"] == "pass"
    assert rows["loss"]["step"] == 710  # of ten points at most 0.6251: all ten
    assert rows["loss"]["from"] == "/w/a/loss.log:801"
    assert rows["loss"]["source"] == "/w/a/loss.log:810"
    assert (rows["speed"]["value"], rows["speed"]["points"]) == (1800, 1190)
    late = ls.open(str(path)).judge("mixtral-8x7b-qlora", to_step=700)
    assert told(late)["loss"]["result"] == "fail"
    slow = ls.open(str(path)).judge("mixtral-8x7b-qlora", min_tgs=1801)
    assert (slow.verdict, told(slow)["speed"]["result"]) == ("fail", "fail")


def test_the_qwenvl_rule_compares_one_iteration_with_the_reference(store, path):
    for name, at_500 in (("ref", 1.60), ("good", 1.67), ("bad", 1.69)):
        add(store, name, range(1, 501), [9.0] * 499 + [at_500], precision="6e")
    db = ls.open(str(path))
    judgement = db.judge("qwenvl", reference="ref")
    assert {c.experiment: c.verdict for c in judgement.cases} == {"good": "pass", "bad": "fail"}
    row = told(db.judge("qwenvl", "good", reference="ref"))["loss"]
    assert row["value"] == pytest.approx(0.07 / 1.6)
    assert (row["reference"], row["reference_run"], row["asked"]) == (1.60, "ref", "<= 0.05")
    alone = db.judge("qwenvl", "good")
    assert alone.verdict == "cannot tell"
    with pytest.raises(InputError, match="ref is the reference itself"):
        db.judge("qwenvl", "ref", reference="ref")
    assert "--reference RUN or --param baseline=VALUE" in str(told(alone)["loss"]["reason"])
    assert db.judge("qwenvl", "good", baseline=1.6).verdict == "pass"


def test_flagperfs_alignment(store, path):
    def add_pair(name: str, error: float) -> None:
        add(store, name, range(1, 101), [(3 - s / 50) * (1.5 if s < 21 else 1 + error) for s in range(1, 101)])

    add(store, "nvidia", range(1, 101), [3 - s / 50 for s in range(1, 101)])
    add_pair("good", 0.019)
    add_pair("bad", 0.021)
    db = ls.open(str(path))
    verdicts = {c.experiment: c.verdict for c in db.judge("flagperf/loss-alignment", reference="nvidia").cases}
    assert verdicts == {"good": "pass", "bad": "fail"}
    from_the_start = db.judge("loss-alignment", "good", reference="nvidia", from_step=1)
    assert from_the_start.verdict == "fail"
    assert db.judge("loss-alignment", "good", reference="nvidia", to_step=200).verdict == "cannot tell"


def test_a_figure_missing_in_the_document_and_hours_of_training(store, path):
    hours = 73
    steps = range(0, hours * 3600 + 1, 3600)  # the clock is the step in seconds
    add(store, "long", steps, [2.0] * len(steps), "avg_loss", clock=True)
    db = ls.open(str(path))
    rows = told(db.judge("aichip/bert"))
    assert rows["minimum"]["reason"] == "reached 73 hours; needed: 72 hours"
    assert rows["loss"]["reason"] == "the document gives no figure: --param max_loss=VALUE"
    assert db.judge("aichip/bert", max_loss=2.5).verdict == "pass"
    short = told(db.judge("aichip/bert", max_loss=1, min_hours=80))
    assert short["minimum"]["result"] == "cannot tell"
    assert short["loss"]["reason"] == "last value 2 at step 262800: not <= 1; too short to judge"


def test_a_short_run_that_ends_in_nan_has_failed(store, path):
    add(store, "a", range(1, 11), [1.0] * 9 + [math.nan])
    add(store, "b", range(1, 11), [1.0] * 10)
    verdicts = {c.experiment: c.verdict for c in ls.open(str(path)).judge("deepseek-v2-lite").cases}
    assert verdicts == {"a": "fail", "b": "cannot tell"}


# ---- which curve


def test_what_was_done_again_counts_once_and_hours_add_up(store, path, tmp_path):
    add(store, "x1", range(0, 7201, 60), [9.0] * 121, experiment="x", clock=True)
    add(store, "x2", range(3660, 7201, 60), [0.4] * 60, experiment="x", clock=True, resumed_from=3600)
    recipe = RECIPE + "\n[minimum]\nhours = 1.9\n"
    judgement = ls.open(str(path)).judge(own(tmp_path, recipe), "x")
    rows = told(judgement)
    assert (rows["loss"]["attempts"], rows["loss"]["points"], rows["loss"]["run_id"]) == (2, 121, "x2")
    assert int(str(rows["loss"]["steps_redone"])) > 0
    assert judgement.verdict == "pass"
    # each attempt from its first to its last kept record: 1 h and 59 min
    assert rows["minimum"]["reason"] == "reached 1.983 hours; needed: 1.9 hours"


def test_a_minimum_of_steps_asks_for_those_that_were_not_done_again(store, path):
    add(store, "x1", range(1, 2501), [0.001] * 2500, experiment="x")
    add(store, "x2", range(1001, 1501), [0.001] * 500, experiment="x", resumed_from=1000)
    db = ls.open(str(path))
    rows = told(db.judge("deepseek-v2-lite"))
    assert rows["minimum"]["reason"] == "reached step 1500; needed: step 2000"
    assert rows["minimum"]["verdict"] == "cannot tell"
    asked = db.query("convergence").pl().row(0, named=True)
    assert (asked["verdict"], asked["reason"]) == ("cannot tell", "reached step 1500 of at least 2000")
    assert db.judge("deepseek-v2-lite", min_steps=1500).verdict == "pass"


def test_a_minimum_of_steps_where_no_curve_is_asked_for(store, path, tmp_path):
    series = points("x1", range(1, 21), {"loss": [1.0] * 20})
    item = Measurement("x2", "loss", 0.4, "mean")
    store.commit([Source("/w/x/1").replace(Run("x1", "/w/x", kind="training", experiment="x"), series)])
    more = points("x2", range(11, 16), {"loss": [1.0] * 5})
    run = Run("x2", "/w/x", kind="training", experiment="x", resumed_from=10)
    store.commit([Source("/w/x/2").replace(run, more, item)])
    reported = RECIPE.replace('"final"', '"reported"\nstatistic = "mean"')
    for least, verdict in ((15, "pass"), (16, "cannot tell")):
        asked = own(tmp_path, f"{reported}\n[minimum]\nsteps = {least}\n")
        assert ls.open(str(path)).judge(asked).verdict == verdict


def test_the_first_of_the_series_that_a_run_has(store, path, tmp_path):
    add(store, "a", [1], [0.1], "tuning_loss")
    add(store, "a", [1], [0.9], "loss")
    add(store, "b", [1], [0.2], "loss")
    add(store, "c", [1], [0.2], "other")
    judgement = ls.open(str(path)).judge(own(tmp_path))
    assert {c.experiment: c.findings[0].found.number.value for c in judgement.cases} == {"a": 0.1, "b": 0.2}
    none = ls.open(str(path)).judge(own(tmp_path), "c")
    assert told(none)["loss"]["reason"] == "no values of tuning_loss or loss with a step"


@pytest.mark.parametrize(("ranks", "value"), [("lead", 1.0), ("median", 2.0), ("mean", 4.0)])
def test_what_several_ranks_say(store, path, tmp_path, ranks, value):
    series = [points("a", [1, 2], {"loss": [0.0, v]}, rank=r) for r, v in enumerate((1.0, 2.0, 9.0))]
    store.commit([Source("/w/a/x.log").replace(Run("a", "/w/a", kind="training"), *series)])
    judgement = ls.open(str(path)).judge(own(tmp_path, RECIPE + f'ranks = "{ranks}"\n'))
    assert told(judgement)["loss"]["value"] == value


def test_a_validation_series(store, path, tmp_path):
    add(store, "a", range(1, 11), [9.0] * 10)
    add(store, "a", [10], [0.3], "perplexity", phase="val")
    recipe = RECIPE.replace('["tuning_loss", "loss"]', '"perplexity"') + 'phase = "val"\n'
    assert told(ls.open(str(path)).judge(own(tmp_path, recipe)))["loss"]["value"] == 0.3


def test_two_repeats_are_not_three(store, path, tmp_path):
    for name in "ab":
        add(store, name, [1], [0.1])
    recipe = own(tmp_path, RECIPE + "\n[minimum]\nrepeats = 3\n")
    judgement = ls.open(str(path)).judge(recipe)
    assert judgement.verdict == "cannot tell"
    assert judgement.cases[0].findings[0].found.reason == "2 of 3 repeats"
    add(store, "c", [1], [0.1])
    assert ls.open(str(path)).judge(recipe).verdict == "pass"


# ---- what runs report themselves


def test_a_serving_rule_takes_the_worst_cell_unless_it_is_named(store, path):
    cells = [(1, 100.0, 0.1), (8, 400.0, 0.5), (64, 900.0, 3.0)]
    values = [
        m
        for clients, tps, ttft in cells
        for m in (
            Measurement("s", "output_tokens_per_second", tps, concurrency=clients, line=clients),
            Measurement("s", "ttft", ttft, "p50", concurrency=clients, line=clients + 1),
        )
    ]
    store.commit([Source("/w/s/x.json").replace(Run("s", "/w/s", kind="serving"), *values)])
    db = ls.open(str(path))
    assert db.judge("deepseek-r1-serving").verdict == "cannot tell"
    rows = told(db.judge("deepseek-r1-serving"))
    assert (rows["speed"]["result"], rows["speed"]["reason"]) == ("measured", "median of 3 reported values, 400")
    worst = told(db.judge("deepseek-r1-serving", max_ttft=1, min_tps=50))
    assert (worst["first token"]["result"], worst["first token"]["value"]) == ("fail", 3.0)
    assert worst["first token"]["source"] == "/w/s/x.json:65"
    assert worst["speed"]["value"] == 100.0
    assert db.judge("deepseek-r1-serving", max_ttft=1, min_tps=50, clients=8).verdict == "pass"


def test_the_summary_of_a_trainer(store, path):
    for name, value in (("a", 0.9499), ("b", 0.96), ("ref", 0.95)):
        item = Measurement(name, "loss", value, "mean", line=7)
        store.commit([Source(f"/w/{name}/x").replace(Run(name, f"/w/{name}", kind="training"), item)])
    db = ls.open(str(path))
    assert {c.experiment: c.verdict for c in db.judge("alpaca-lora").cases} == {
        "a": "pass", "b": "fail", "ref": "fail"
    }  # fmt: skip


def test_a_reported_value_against_the_references(store, path, tmp_path):
    for name, value, meaning in (("a", 90.0, "x@1"), ("ref", 100.0, "x@1"), ("odd", 90.0, "x@2")):
        item = Measurement(name, "accuracy", value, definition=meaning)
        store.commit([Source(f"/w/{name}/x").replace(Run(name, f"/w/{name}", kind="evaluation"), item)])
    recipe = RECIPE[: RECIPE.index("[[criteria]]")] + (
        '[[criteria]]\nname = "accuracy"\nseries = "accuracy"\nreading = "reported"\n'
        'compare = "ratio"\nat_least = 0.95\n'
    )
    db = ls.open(str(path))
    rows = told(db.judge(own(tmp_path, recipe), "a", reference="ref"))
    assert (rows["accuracy"]["result"], rows["accuracy"]["value"]) == ("fail", pytest.approx(0.9))
    odd = told(db.judge(own(tmp_path, recipe), "odd", reference="ref"))["accuracy"]
    assert (odd["result"], odd["reason"]) == ("cannot tell", "another definition than the reference's")
    alone = told(db.judge(own(tmp_path, recipe), "a"))["accuracy"]
    assert alone["reason"] == "needs a reference that reports it: --reference RUN"


# ---- the command line


def mmengine(tmp_path: Path, floor: float) -> str:
    Training(last=300, floor=floor).write(tmp_path / "toy")
    db = str(tmp_path / "x.duckdb")
    assert run("ingest", str(tmp_path / "toy"), "--db", db).exit_code == 0
    return db


def params(**more: object) -> list[str]:
    return [word for key, value in more.items() for word in ("--param", f"{key}={value}")]


def test_exit_codes_and_formats(tmp_path):
    db = mmengine(tmp_path, 0.0005)
    judge = ["judge", "deepseek-v2-lite", "--db", db]
    passing = run(*judge, *params(threshold=0.01, min_steps=250, points=20), "--format", "json")
    assert passing.exit_code == 0
    rows = json.loads(passing.stdout)
    loss = next(row for row in rows if row["criterion"] == "loss")
    assert (loss["verdict"], loss["result"], loss["asked"]) == ("pass", "pass", "< 0.01")
    speed = next(row for row in rows if row["criterion"] == "speed")
    assert (speed["unit"], speed["definition"]) == ("token/s/device", "tgs@micro_step")
    assert loss["device"] == "NVIDIA A100-SXM4-80GB"
    assert "judged all 1 experiments that logged what it asks for" in passing.stderr
    file, _, line = loss["source"].rpartition(":")
    text = Path(file).read_text().splitlines()[int(line) - 1]
    assert f'"step": {loss["step"]}' in text
    assert run(*judge, *params(threshold=0.0001, min_steps=250)).exit_code == 1
    assert run(*judge).exit_code == 3
    for form in ("table", "csv", "markdown", "latex"):
        shown = run(*judge, *params(threshold=0.01, min_steps=250), "--format", form)
        assert shown.exit_code == 0
        assert "toy" in shown.stdout
    out = tmp_path / "v.parquet"
    assert run(*judge, "-o", str(out)).exit_code == 3
    assert out.stat().st_size > 0


def test_of_several_runs_fail_counts_first(store, path, tmp_path):
    recipe = own(tmp_path)
    for name, value in (("good", 0.1), ("bad", 0.9)):
        add(store, name, [1], [value])
    add(store, "rounded", [1], [0.5], precision="1")
    judge = ["judge", recipe, "--db", str(path)]
    assert run(*judge, "good").exit_code == 0
    assert run(*judge, "good", "rounded").exit_code == 3
    assert run(*judge, "good", "rounded", "bad").exit_code == 1
    assert run(*judge, "*").exit_code == 1
    assert run(*judge, "go*", "round*").exit_code == 3


def test_mistakes_are_told_and_end_with_2(store, path, tmp_path):
    add(store, "good", [1], [0.1])
    add(store, "good2", [1], [0.1])
    recipe, db = own(tmp_path), ["--db", str(path)]
    for words, said in (
        (["judge", "deepsek-v2-lite"], "did you mean 'aichip/deepseek-v2-lite'"),
        (["judge", recipe, "god"], "no experiment or run named 'god'; did you mean 'good'"),
        (["judge", recipe, "--reference", "goood"], "did you mean 'good'"),
        (["judge", recipe, "--reference", "good*"], "fits 2 experiments (good, good2"),
        (["judge", recipe, "--param", "x=1"], "no parameter of mine named 'x'"),
        (["judge", recipe, "--param", "x"], "write it as KEY=VALUE"),
        (
            ["judge", "deepseek-r1-serving"],
            "no serving run here has output_tokens_per_second or ttft",
        ),
        (["judge", recipe, "--junit", str(tmp_path / "no" / "x.xml")], "cannot write"),
        (["judge", str(tmp_path / "none.toml")], "cannot read the recipe"),
    ):
        result = run(*words, *db)
        assert result.exit_code == 2, words
        assert said in result.stderr
        assert "Traceback" not in result.stderr


def test_the_list_and_the_explanation():
    listed = run("judge", "--format", "json")
    assert listed.exit_code == 0
    rows = json.loads(listed.stdout)
    assert [row["recipe"] for row in rows] == [r.name for r in list_recipes()]
    explained = run("judge", "mixtral-8x7b-qlora", "--explain")
    assert explained.exit_code == 0
    assert (
        "the lowest mean of 10 logged points in a row, from step 500 to step 1000; must be <= 0.6251"
        in explained.stdout
    )
    assert "| `min_tgs` | – |" in explained.stdout


def test_one_process_from_outside(store, path, tmp_path):
    add(store, "bad", [1], [0.9])
    words = [sys.executable, "-m", "llmstats", "judge", own(tmp_path), "bad", "--db", str(path), "--format", "csv"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.splitlines()[1].startswith("bad,fail,loss,fail,last value 0.9 at step 1: not < 0.5")


def test_junit(store, path, tmp_path):
    add(store, "good", [1], [0.1])
    add(store, "bad <&>\x1b", [1], [0.9])
    add(store, "open", [1], [0.5], precision="1")
    out = tmp_path / "j.xml"
    extra = RECIPE + '\n[[criteria]]\nname = "speed"\nseries = "tokens_per_second"\nreading = "mean"\n'
    assert run("judge", own(tmp_path, extra), "--db", str(path), "--junit", str(out)).exit_code == 1
    root = ET.parse(out).getroot()
    assert (root.tag, root.get("name"), root.get("tests")) == ("testsuites", "mine@2025-01-01", "6")
    assert (root.get("failures"), root.get("errors")) == ("1", "1")
    suites = {suite.get("name"): suite for suite in root}
    assert set(suites) == {"good", "bad <&>\\x1b", "open"}
    failure = suites["bad <&>\\x1b"].find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "last value 0.9 at step 1: not < 0.5"
    error = suites["open"].find("testcase/error")
    assert error is not None
    assert "within the log's rounding" in (error.get("message") or "")
    test = suites["good"].find("testcase")
    assert test is not None
    assert (test.get("name"), [child.tag for child in test]) == ("loss < 0.5", ["system-out"])
    again = out.read_bytes()
    run("judge", own(tmp_path, extra), "--db", str(path), "--junit", str(out))
    assert out.read_bytes() == again


def test_the_library_says_the_same(store, path, tmp_path):
    add(store, "good", [1], [0.1])
    db = ls.open(str(path))
    judgement = db.judge(own(tmp_path))
    frame = judgement.answer().pl()
    assert frame["verdict"].to_list() == ["pass"]
    with pytest.raises(NotFound):
        db.judge(own(tmp_path), "none")
    with pytest.raises(RecipeError):
        db.judge("deepseek-v2-lite", threshold="x")
    with pytest.raises(InputError):
        db.judge("deepseek-r1-serving")


# ---- the picture beside


def test_the_picture_of_a_threshold_and_of_a_reference(store, path, tmp_path):
    for name, shift in (("ref", 0.0), ("cand", 0.02)):
        add(store, name, range(1, 101), [2 * math.exp(-s / 30) + 0.5 + shift for s in range(1, 101)])
    db = ls.open(str(path))
    name, given = db.judge("llama2-7b", "cand", points=7).picture()
    assert (name, given["threshold"], given["smooth"], given["pick"]) == ("convergence", 1.716, 7, "cand")
    name, given = db.judge("loss-alignment", "cand", reference="ref").picture()
    assert (name, given["reference"], given["candidate"], given["tolerance"]) == ("parity", "ref", "cand", 0.02)
    out = tmp_path / "p.png"
    words = ["judge", "loss-alignment", "cand", "--reference", "ref", "--db", str(path), "--plot", str(out)]
    assert run(*words).exit_code == 1
    assert out.read_bytes().startswith(b"\x89PNG")
    result = run("judge", "llama2-7b", "ref", "cand", "--db", str(path), "--plot", str(out))
    assert (result.exit_code, "a picture shows one RUN" in result.stderr) == (2, True)
    result = run("judge", "easyllm", "cand", "--db", str(path), "--plot", str(out))
    assert (result.exit_code, "nothing to draw" in result.stderr) == (2, True)
