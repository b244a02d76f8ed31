"""Pictures: what they show, what they refuse, and that no word lies on another."""

from __future__ import annotations

import io
import itertools
import json
import math
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

import llmstats
from llmstats import plot_data, plot_data_serving, plot_style, thinning
from llmstats.errors import InputError, NotFound, QueryError
from llmstats.pictures import convergence as plot_convergence
from llmstats.pictures import serving as plot_serving
from llmstats.pictures import throughput as plot_throughput
from llmstats.plot_data import Curve, Curves
from llmstats.plot_data_serving import Case, Cells, Sweep
from llmstats.plot_data_speed import Panel, Speed, Trends
from llmstats.plots import pictures, plot
from llmstats.records import Run
from llmstats.store import Store

from .store_deltas import Source, fresh_store, points

EXAMPLES = Path(__file__).parents[1] / "examples" / "work_dirs"
OURS = ("convergence", "serving", "throughput")
MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The example set: two trainings (one resumed, one with a NaN), two serving sweeps (one cell failed)."""
    path = str(tmp_path_factory.mktemp("store") / "x.duckdb")
    llmstats.open(path).ingest(EXAMPLES)
    return path


@pytest.fixture
def con(store: str) -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(duckdb.connect(store, read_only=True)) as opened:
        yield opened


def train(folder: Path, values: list[float], *, name: str = "toy", **more: float) -> str:
    """A store of one training of these losses."""
    rows = [json.dumps({"lr": 2e-5, "loss": v, **more, "iter": i, "step": i}) for i, v in enumerate(values, 1)]
    scalars = folder / "logs" / name / "20250209_031500" / "vis_data" / "scalars.json"
    scalars.parent.mkdir(parents=True)
    scalars.write_text("\n".join(rows) + "\n", encoding="utf-8")
    path = str(folder / "x.duckdb")
    llmstats.open(path).ingest(folder / "logs")
    return path


def fetch(store: str, name: str, **given: str) -> Any:
    with closing(duckdb.connect(store, read_only=True)) as con:
        return pictures()[name].fetch(con, given)


def drawn(draw: Callable[[Any], Figure], data: Any) -> Figure:
    """Drawn and laid out, as it is in a file."""
    with plot_style.style():
        figure = draw(data)
        plot_style.write(figure, "png")
    return figure


def words(figure: Figure) -> str:
    return "\n".join(t.get_text() for t in figure.findobj(mpl.text.Text))


def assert_readable(figure: Figure) -> None:
    """No text lies on another, nor outside the sheet."""
    axes = figure.axes
    shown = [t for t in figure.findobj(mpl.text.Text) if t.get_text().strip() and t.get_visible()]
    ticks = {t for a in axes for axis in (a.xaxis, a.yaxis) for t in _unseen(axis)}
    with plot_style.style():
        boxes = [(t.get_text(), t.get_window_extent()) for t in shown if t not in ticks]
    width, height = figure.get_size_inches() * figure.dpi
    for text, box in boxes:
        assert min(box.x0, box.y0, width - box.x1, height - box.y1) >= 0, f"{text!r} runs off the sheet"
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        apart = a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0
        assert apart, f"{one!r} lies on {other!r}"


def _unseen(axis: Any) -> Iterator[Any]:
    """Labels of ticks that matplotlib keeps but does not draw."""
    low, high = sorted(axis.get_view_interval())
    for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
        if not low <= tick.get_loc() <= high:
            yield from (tick.label1, tick.label2)


# --------------------------------------------------------------------------- files


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
@pytest.mark.parametrize("name", OURS)
def test_the_same_question_gives_the_same_file(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, name: str, form: str
) -> None:
    one, two = tmp_path / f"one.{form}", tmp_path / f"two.{form.upper()}"
    plot(con, name, one)
    plot(con, name, str(two))
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes().startswith(MAGIC[form])
    assert b"CreationDate" not in one.read_bytes()
    if form == "svg":
        assert "<dc:date>" not in one.read_text("utf-8")
        assert ET.parse(one).getroot().tag.endswith("svg")


def test_two_processes_draw_the_same_bytes(store: str, tmp_path: Path) -> None:
    paths = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for path in paths:
        code = f"import llmstats; llmstats.open({store!r}).plot('convergence', {str(path)!r}, threshold=0.002)"
        subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_matplotlib_is_left_as_it_was(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    with mpl.rc_context({"font.size": 33, "text.parse_math": True, "svg.hashsalt": "mine"}):
        before = dict(mpl.rcParams)
        plot(con, "convergence", tmp_path / "c.svg")
        assert dict(mpl.rcParams) == before
        mine = (tmp_path / "c.svg").read_bytes()
    plot(con, "convergence", tmp_path / "d.svg")
    assert (tmp_path / "d.svg").read_bytes() == mine  # the user's settings do not reach our pictures


def test_drawing_opens_no_window_and_asking_loads_no_matplotlib(store: str, tmp_path: Path) -> None:
    code = (
        "import sys, llmstats\n"
        "from llmstats import plots\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"llmstats.open({store!r}).plot('serving', {str(tmp_path / 's.png')!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("name", "file", "given", "error", "says"),
    [
        ("convergense", "x.png", {}, NotFound, "did you mean 'convergence'"),
        ("convergence", "x.docx", {}, InputError, ".png, .svg or .pdf"),
        ("convergence", "x", {}, InputError, ".png, .svg or .pdf"),
        ("convergence", "none/x.png", {}, InputError, "cannot write"),
        ("convergence", "x.png", {"treshold": "1"}, NotFound, "did you mean 'threshold'"),
        ("convergence", "x.png", {"threshold": "low"}, QueryError, "a number is needed"),
        ("convergence", "x.png", {"threshold": "inf"}, InputError, "finite"),
        ("convergence", "x.png", {"series": "los"}, NotFound, "did you mean 'loss'"),
        ("convergence", "x.png", {"pick": "deepseek_v2_lite_alpaca_a10"}, NotFound, "deepseek_v2_lite_alpaca_a100"),
        ("convergence", "x.png", {"pick": "no*"}, InputError, "no training run matches --pick 'no*'"),
        ("throughput", "x.png", {"threshold": "1"}, NotFound, "parameter of throughput"),
        ("throughput", "x.png", {"every": "0"}, InputError, "at least 1"),
        ("throughput", "x.png", {"every": "some"}, QueryError, "whole number"),
        ("throughput", "x.png", {"pick": "no*"}, InputError, "no training run"),
        ("serving", "x.png", {"pick": "no*"}, InputError, "no serving run"),
        ("serving", "x.png", {"device": "H20"}, InputError, "--device 'H20'"),
        ("serving", "x.png", {"statistic": "p90"}, NotFound, "parameter of serving"),
    ],
)
def test_what_cannot_be_drawn_is_explained(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, name: str, file: str, given: dict[str, str], error: Any, says: str
) -> None:
    with pytest.raises(error, match=f"(?s).*{says.replace('*', '[*]')}"):
        plot(con, name, tmp_path / file, **given)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pick", ["empty", "empty*", "empty/1"])
def test_a_run_that_was_killed_before_its_first_step_has_nothing_to_draw(tmp_path: Path, pick: str) -> None:
    store = fresh_store(tmp_path / "s.duckdb")
    store.commit([Source("/w/e").replace(Run("empty/1", "/w/e", kind="training", experiment="empty"))])
    store.commit([Source("/w/a").replace(Run("a", "/w/a", kind="training"), points("a", [1, 2], {"loss": [1, 2]}))])
    with pytest.raises(InputError, match=r"the training runs of --pick '.*' have no values that this picture shows"):
        fetch(str(tmp_path / "s.duckdb"), "convergence", pick=pick)


@pytest.mark.parametrize("name", OURS)
def test_an_empty_store_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    llmstats.open(str(tmp_path / "x.duckdb")).ingest(tmp_path / "empty")
    with pytest.raises(InputError, match="llmstats ingest"):
        fetch(str(tmp_path / "x.duckdb"), name)


def test_a_curve_of_nan_alone_is_nothing_to_draw(tmp_path: Path) -> None:
    store = train(tmp_path, [math.nan] * 5)
    with pytest.raises(InputError, match="no finite values of 'loss'"):
        fetch(store, "convergence")


# --------------------------------------------------------------------------- convergence


def test_convergence_tells_the_verdicts_of_the_query(store: str) -> None:
    data = fetch(store, "convergence")
    by_name = {row["experiment"]: row for row in llmstats.open(store).query("convergence").pl().iter_rows(named=True)}
    assert [c.experiment for c in data.curves] == sorted(by_name)
    for curve in data.curves:
        row = by_name[curve.experiment]
        assert (curve.verdict, curve.first_touch, curve.smoothed) == (
            row["verdict"], row["first_touch"], row["smoothed"],
        )  # fmt: skip
        assert 0 < (curve.touch_value or 0) < 0.0013
    said = words(drawn(plot_convergence.draw, data))
    assert "Did the training loss get below 0.0013?" in said
    assert "deepseek_v2_lite_alpaca_a100 (NVIDIA A100-SXM4-80GB) – converged at step 2,550" in said
    assert "– not converged: mean of 50 points never below 0.0013" in said
    assert "resumed at step 1,010 (480 steps redone)" in said
    assert "NaN at step 1,740" in said
    assert "before step 2,000 values do not count (min_steps)" in said
    assert "threshold\n0.0013" in said
    assert "600 logged points of loss in 2 experiments, 1 not finite; precision full" in said


def test_parameters_reach_the_picture(store: str) -> None:
    data = fetch(store, "convergence", threshold="0.5", min_steps="100", smooth="7", series="loss", pick="*910b")
    assert (data.threshold, data.min_steps, data.smooth, len(data.curves)) == (0.5, 100, 7, 1)
    said = words(drawn(plot_convergence.draw, data))
    assert "get below 0.5?" in said
    assert "mean of the last 7 logged points" in said
    assert "FROM convergence(threshold := 0.5, min_steps := 100, series := 'loss', smooth := 7" in said


def test_spikes_survive_thinning_and_means_are_exact(tmp_path: Path) -> None:
    steps = np.arange(1, 20_001)
    values = 0.5 + np.sin(steps / 50) / 10
    values[12_345], values[777] = 9.0, 0.001
    (curve,) = fetch(train(tmp_path, values.tolist()), "convergence").curves
    assert len(curve.steps) <= 2 * thinning.BINS
    assert (curve.values.max(), curve.values.min()) == (9.0, 0.001)
    assert curve.steps[curve.values.argmax()] == 12_346
    assert (np.diff(curve.steps) >= 0).all()
    whole = np.convolve(values, np.ones(50) / 50, "valid")
    np.testing.assert_allclose(curve.means, whole[curve.mean_steps.astype(int) - 50], rtol=1e-9)
    assert (curve.first_step, curve.last_step) == (1, 20_000)


def test_what_is_not_finite_is_marked_on_the_edges(tmp_path: Path) -> None:
    values = [1.0, math.nan, 0.9, math.inf, 0.8, -math.inf] * 20
    data = fetch(train(tmp_path, values), "convergence")
    (curve,) = data.curves
    assert len(curve.odd) == 60
    assert {step for step, value in curve.odd if value == math.inf} == set(range(4, 121, 6))
    figure = drawn(plot_convergence.draw, data)
    marks = {(line.get_marker(), line.get_ydata()[0]) for line in figure.axes[0].lines if len(line.get_xdata()) == 1}
    assert {("x", 0), ("^", 0.975), ("v", 0)} <= marks
    assert "NaN first at step 2" in words(figure)
    assert "infinite first at step 4" in words(figure)


def test_a_long_run_of_nan_is_thinned(tmp_path: Path) -> None:
    (curve,) = fetch(train(tmp_path, [1.0] * 100 + [math.nan] * 3000), "convergence").curves
    assert 100 < len(curve.odd) <= 310
    assert curve.odd[0][0] == 101


def a_curve(name: str = "toy", low: float = 0.001, n: int = 100, **more: Any) -> Curve:
    steps = np.arange(1, n + 1, dtype=float)
    values = np.geomspace(1, low, n)
    curve = Curve(name, None, "not converged", "because", None, None, None, None, None, 0, 1, n, steps, values,
                  steps[5:], values[5:])  # fmt: skip
    return replace(curve, **more)


def some_curves(*curves: Curve, **more: Any) -> Curves:
    data = Curves("loss", None, 0.0013, 50, 5, 5, list(curves), [], ["one line", "another"])
    return replace(data, **more)


@pytest.mark.parametrize(("low", "scale"), [(0.001, "log"), (0.5, "linear")])
def test_a_log_scale_where_values_span_decades(low: float, scale: str) -> None:
    figure = drawn(plot_convergence.draw, some_curves(a_curve(low=low), threshold=low))
    assert figure.axes[0].get_yscale() == scale
    assert_readable(figure)


def test_values_below_zero_are_drawn_straight() -> None:
    curve = a_curve(values=np.linspace(-5, 1e6, 100))
    axes = drawn(plot_convergence.draw, some_curves(curve)).axes[0]
    assert axes.get_yscale() == "linear"
    assert axes.get_ylim()[0] < -5


@pytest.mark.parametrize("min_steps", [0, 10, 90, 150, 100_000])
def test_steps_that_do_not_count_are_named(min_steps: int) -> None:
    figure = drawn(plot_convergence.draw, some_curves(a_curve(), min_steps=min_steps))
    assert_readable(figure)
    assert figure.axes[0].get_xlim()[1] < 250
    assert ("none got there" in words(figure)) == (min_steps > 250)
    assert ("do not count" in words(figure)) == (min_steps > 0)


def test_a_curve_of_one_point_is_seen() -> None:
    one = a_curve(n=1, mean_steps=np.array([]), means=np.array([]))
    figure = drawn(plot_convergence.draw, some_curves(one))
    assert figure.axes[0].lines[0].get_marker() == "."
    assert_readable(figure)


@pytest.mark.parametrize("name", ["convergence", "throughput"])
def test_a_training_of_one_record_is_seen(tmp_path: Path, name: str) -> None:
    data = fetch(train(tmp_path, [1.0], time=2.0, tokens_per_sec=512.0), name)
    axes = drawn({"convergence": plot_convergence, "throughput": plot_throughput}[name].draw, data).axes[0]
    if name == "convergence":
        assert axes.lines[0].get_marker() == "."
    else:
        (stairs,) = axes.patches
        assert np.ptp(stairs.get_path().vertices[:, 0]) == 1


def test_many_experiments_with_long_names_stay_readable() -> None:
    name = "a_very_long_experiment_name_" * 6
    curves = [
        a_curve(f"{i:02}_{name}", first_touch=60, touch_value=0.001, sustained=70, smoothed=80, smoothed_value=0.001,
                resumes=[10, 20, 30, 40, 50], odd=[(30.0, math.nan), (40.0, math.inf)])
        for i in range(30)
    ]  # fmt: skip
    figure = drawn(plot_convergence.draw, some_curves(*curves, missing=["other – cannot tell: no values"]))
    assert_readable(figure)
    assert "20 more, not named here (choose with --pick)" in words(figure)
    assert len({line.get_color() for line in figure.axes[0].lines}) <= 10


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_names_of_any_script_and_signs(form: str, caplog: pytest.LogCaptureFixture) -> None:
    """Chinese, an emoji, a formula's sign, a label that matplotlib would hide, a terminal's escape, a line end."""
    names = ["$x_1 $ cost", "_hidden", "\x1b[31mred\nend"]
    curves = [a_curve("中文实验 收敛曲线 🚀", device="昇腾 910B"), *map(a_curve, names)]
    with plot_style.style():
        figure = plot_convergence.draw(some_curves(*curves))
        assert plot_style.write(figure, form).startswith(MAGIC[form])
    assert_readable(figure)
    said = words(figure)
    for part in ("中文实验 收敛曲线 🚀 (昇腾 910B)", "$x_1 $ cost", "_hidden", " [31mred end"):
        assert part in said
    assert [r.message for r in caplog.records if "findfont" in r.message] == []


def glyphs_missing(figure: Figure) -> list[str]:
    """What matplotlib itself says of characters that it has no glyph for."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        figure.savefig(io.BytesIO(), format="svg")
    return [str(w.message) for w in said if "missing from" in str(w.message)]


DEVICE = "昇腾 910B 寒武纪"


def test_chinese_is_drawn_with_glyphs_where_a_font_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot_style, "_CHINESE", ("WenQuanYi Micro Hei",))  # whatever else this machine has
    with plot_style.style():
        figure = plot_convergence.draw(some_curves(a_curve(device=DEVICE)))
        plot_style.write(figure, "png")
        assert glyphs_missing(figure) == []
    assert "No font here" not in words(figure)


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_without_a_font_the_picture_says_so(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot_style, "_CHINESE", ())
    monkeypatch.setattr(plot_style, "_PACKAGE", "no_such_package")
    with plot_style.style():
        figure = plot_convergence.draw(some_curves(a_curve(device=DEVICE)))
        assert plot_style.write(figure, form).startswith(MAGIC[form])
        assert len(glyphs_missing(figure)) >= 5
    said = words(figure)
    assert "No font here has U+5BD2, U+6607, U+6B66, U+7EAA, U+817E: boxes stand for them." in said
    assert "pip install 'llmstats[chinese]'" in said
    assert_readable(figure)


def test_text_is_shortened_in_the_middle() -> None:
    assert plot_style.short("abcdef", 6) == "abcdef"
    assert plot_style.short("abcdefghij", 7) == "abcd…ij"
    chinese = plot_style.short("中文实验收敛曲线", 9)
    assert (chinese[:3], "…" in chinese, chinese[-1]) == ("中文实", True, "线")


def test_names_that_would_look_alike_begin_where_they_differ() -> None:
    long = [f"{'a' * 30}_node{i:03}_{'z' * 30}" for i in range(12)]
    cut = plot_style.apart([*long, "short", long[0]], 24)
    assert cut[0] == cut[-1] == "…ode000_zzzzzzzz…zzzzzzz"
    assert cut[12] == "short"
    assert len(set(cut)) == 13
    assert all(len(name) <= 24 for name in cut)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.0013, "0.0013"), (12000, "12,000"), (2.5, "2.5"), (1e-7, "1e-07"), (5e9, "5e+09"), (-3, "-3")],
)
def test_numbers_are_plain(value: float, text: str) -> None:
    assert plot_style.plain(value) == text


# --------------------------------------------------------------------------- throughput


def test_throughput_shades_the_drops_of_the_query(store: str) -> None:
    data = fetch(store, "throughput")
    assert [p.experiment for p in data.panels] == ["deepseek_v2_lite_alpaca_910b", "deepseek_v2_lite_alpaca_a100"]
    assert [len(p.runs) for p in data.panels] == [1, 2]
    drops = data.panels[1].runs[1].drops
    assert [cause for *_, cause in drops] == ["data wait", "compute"]
    figure = drawn(plot_throughput.draw, data)
    said = words(figure)
    assert "deepseek_v2_lite_alpaca_910b (Ascend 910B) – steady" in said
    assert f"2 drops, the worst to 59% at steps {drops[0][0]:,}–{drops[0][1]:,}" in said
    assert "slow: waiting for data" in said
    assert "slow: computing" in said
    assert "tgs@micro_step" in said
    assert [len(a.patches) for a in figure.axes] == [1, 4]  # stairs of the runs, and shades
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert_readable(figure)


def test_parameters_of_both_queries_reach_the_picture_of_throughput(store: str) -> None:
    data = fetch(store, "throughput", every="500", drop="0.1", warmup="0", pick="*a100")
    assert (data.every, data.drop, len(data.panels)) == (500, 0.1, 1)
    assert all(not run.drops for run in data.panels[0].runs)
    assert len(data.panels[0].runs[1].speed) == 4
    said = words(drawn(plot_throughput.draw, data))
    assert "Mean over each 500 steps" in said
    assert "warmup := 0" in said


def test_without_tokens_the_speed_is_that_of_steps(tmp_path: Path) -> None:
    data = fetch(train(tmp_path, [1.0] * 300, time=0.25), "throughput")
    (panel,) = data.panels
    assert panel.unit == "steps/s"
    np.testing.assert_allclose(panel.runs[0].speed, 4.0)
    assert panel.runs[0].median == pytest.approx(4.0)
    assert "no tokens logged" in words(drawn(plot_throughput.draw, data))


def test_a_run_without_any_speed_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither token rates nor step times"):
        fetch(train(tmp_path, [1.0] * 50), "throughput")


def test_many_panels_stay_readable() -> None:
    edges = np.arange(1.0, 1001, 100)
    run = Speed(
        "r", edges, edges + 99, np.linspace(900, 1000, 10), 950.0, [(1, 50, 0.5, "not known"), (60, 80, 0.2, "compute")]
    )
    slow = replace(run, speed=run.speed / 3, median=320.0)
    panels = [Panel(f"{i} {'long name ' * 20}", "H20", "token/s per device", [run, slow]) for i in range(8)]
    panels.append(Panel("other", None, "steps/s", [run]))
    figure = drawn(plot_throughput.draw, Trends(100, 0.7, panels, ["footer"]))
    assert len(figure.axes) == plot_throughput.MOST
    assert "3 more experiments are not drawn (choose with --pick)" in words(figure)
    assert "median\n950" in words(figure)
    assert "median\n320" in words(figure)
    assert_readable(figure)


# --------------------------------------------------------------------------- serving


def test_serving_draws_the_cells_of_the_query(store: str) -> None:
    data = fetch(store, "serving", model="DeepSeek-R1")
    assert [case.name for case in data.cases][:2] == ["256 tokens in, 512 out", "1,024 tokens in, 1,024 out"]
    assert data.systems == ["DeepSeek-R1 on 16 × Ascend 910B", "DeepSeek-R1 on 16 × NVIDIA A100-SXM4-80GB"]
    rows = llmstats.open(store).query("serving", model="DeepSeek-R1", device="Ascend 910B").pl().iter_rows(named=True)
    wanted = {r["concurrency"]: r["output_tokens_per_second"] for r in rows if r["input_len"] == 256}
    sweep = data.cases[0].sweeps[0]
    assert dict(zip(sweep.load, sweep.speed, strict=True)) == wanted
    figure = drawn(plot_serving.draw, data)
    said = words(figure)
    assert "output tokens per second" in said
    assert "time to first token (s)" in said
    assert "concurrent requests" in said
    assert "24 runs, 1 failed" in said
    assert "output_tokens_per_second@chunks, ttft@first_chunk" in said
    failed = [x for case in data.cases for s in case.sweeps for x in s.failed]
    assert failed == [128.0]
    assert_readable(figure)


def test_parameters_reach_the_picture_of_serving(store: str) -> None:
    data = fetch(store, "serving", model="DeepSeek-R1", device="*A100*")
    assert data.systems == ["DeepSeek-R1 on 16 × NVIDIA A100-SXM4-80GB"]
    assert "device := '*A100*'" in data.footer[-1]


def a_sweep(system: str, **more: Any) -> Sweep:
    load = [1.0, 2.0, 4.0, 8.0, 16.0]
    return replace(Sweep(system, load, [10 * x for x in load], [x / 10 for x in load], load, []), **more)


def some_cells(*cases: Case, **more: Any) -> Cells:
    systems = sorted({sweep.system for case in cases for sweep in case.sweeps})
    return replace(Cells("concurrent requests", systems, list(cases), [], ["footer"]), **more)


def test_a_failed_cell_is_a_mark_on_the_axis() -> None:
    figure = drawn(plot_serving.draw, some_cells(Case("256 in", [a_sweep("x"), a_sweep("y", failed=[64.0])])))
    marks = [line for line in figure.axes[0].lines if line.get_marker() == "x"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in marks] == [(64.0, 0)]
    assert marks[0].get_color() == figure.axes[0].lines[1].get_color()
    assert figure.axes[0].get_xlim()[1] > 64
    assert "failed: no throughput" in words(figure)
    assert_readable(figure)


def test_a_system_whose_cells_all_failed_is_still_shown() -> None:
    lost = Sweep("lost", [], [], [], [], [8.0])
    figure = drawn(plot_serving.draw, some_cells(Case("256 in", [a_sweep("good"), lost])))
    assert "lost" in words(figure)
    assert_readable(figure)


def test_unknown_waits_are_said_not_drawn() -> None:
    nothing = [math.nan] * 5
    figure = drawn(plot_serving.draw, some_cells(Case("256 in", [a_sweep("x", ttft_p50=nothing, ttft_p99=nothing)])))
    assert "not logged" in words(figure)
    assert_readable(figure)


def test_one_load_alone_and_many_cases() -> None:
    one = a_sweep("x", load=[8.0], speed=[80.0], ttft_p50=[0.1], ttft_p99=[0.2])
    assert_readable(drawn(plot_serving.draw, some_cells(Case("256 in", [one]))))
    dense = [float(x) for x in range(1, 101)]
    wide = Sweep("x", dense, dense, dense, dense, [])
    many = some_cells(*[Case(f"{i},000 tokens in, {i} out", [wide]) for i in range(1, 7)])
    figure = drawn(plot_serving.draw, many)
    assert len(figure.axes) == 2 * plot_serving.MOST
    assert "2 more pairs of lengths, not drawn" in words(figure)
    assert_readable(figure)


ROW = {
    "model": "m", "device": "d", "device_count": 2, "input_len": 10.0, "output_len": 20.0, "concurrency": 4.0,
    "request_rate": None, "output_tokens_per_second": 100.0, "ttft_p50": 0.1, "ttft_p99": 0.2, "status": "completed",
    "tps_definition": "tps@a", "ttft_definition": None, "run_id": "r", "framework": None, "precision": None,
    "parallelism": None, "dataset": None, "source": "/w/a/r.log:1", "output_tokens_per_second_per_device": 50.0,
}  # fmt: skip


def cells_of(*rows: dict[str, Any]) -> Cells:
    """What is made of these answers of the query."""
    return plot_data_serving.arranged([{**ROW, **row} for row in rows], plot_data.parameters_of("serving"))


def test_definitions_are_never_mixed_unseen() -> None:
    assert cells_of({}, {"tps_definition": "tps@b"}).systems == ["m on 2 × d, tps@a", "m on 2 × d, tps@b"]


def test_repeated_cells_are_their_median() -> None:
    data = cells_of(*[{"output_tokens_per_second": speed} for speed in (100.0, 300.0, 120.0)])
    assert data.cases[0].sweeps[0].speed == [120.0]


def test_what_is_stated_per_device_alone_is_drawn_per_device() -> None:
    data = cells_of(
        {"output_tokens_per_second": None, "output_tokens_per_second_per_device": 30.0}, {"concurrency": 8.0}
    )
    assert (data.cases[0].sweeps[0].speed, data.scope) == ([30, 50], "per device")
    figure = drawn(plot_serving.draw, data)
    assert "output tokens per second per device" in words(figure)
    assert "throughput per device" in words(figure)


def test_frameworks_and_precisions_are_systems_of_their_own() -> None:
    data = cells_of({"framework": "vllm", "precision": "fp8"}, {"framework": "sglang", "precision": "bf16"})
    assert data.systems == ["m on 2 × d, sglang, bf16", "m on 2 × d, vllm, fp8"]


def test_the_fullest_cases_are_drawn_and_only_their_systems_named() -> None:
    lone = [{"input_len": float(i), "model": f"lone {i}"} for i in range(1, 6)]
    full = [{"input_len": 99.0, "concurrency": c, "model": "full"} for c in (1.0, 2.0, 4.0)]
    figure = drawn(plot_serving.draw, cells_of(*lone, *full))
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["1 tokens in, 20 out", "2 tokens in, 20 out", "3 tokens in, 20 out", "99 tokens in, 20 out"]
    assert "full on 2 × d" in words(figure)
    assert "lone 5" not in words(figure)
    assert "2 more pairs of lengths and 2 systems, not drawn" in words(figure)
    assert_readable(figure)


def test_a_sweep_of_rates_has_rates_on_its_axis() -> None:
    data = cells_of(*[{"concurrency": None, "request_rate": r, "run_id": str(r)} for r in (1.0, 2.0, math.inf)])
    assert (data.load, data.cases[0].sweeps[0].load) == ("requests sent per second", [1.0, 2.0])
    assert data.placeless == ["inf"]


def test_failed_cells_keep_their_place() -> None:
    lost = {"concurrency": 8.0, "output_tokens_per_second": None, "status": "failed"}
    (sweep,) = cells_of({}, lost).cases[0].sweeps
    assert (sweep.load, sweep.failed) == ([4.0], [8.0])


def test_cells_without_a_load_say_what_to_do() -> None:
    with pytest.raises(InputError, match="--label concurrency=8"):
        cells_of({"concurrency": None})


def test_a_failed_cell_belongs_to_the_system_of_its_neighbours(store: str) -> None:
    """The examples hold two definitions of a token; the failed cell has none."""
    data = fetch(store, "serving")
    failed = [s.system for case in data.cases for s in case.sweeps if s.failed]
    assert failed == ["DeepSeek-R1 on 16 × Ascend 910B, output_tokens_per_second@chunks"]


def test_short_runs_are_drawn_in_short_windows_and_the_median_is_on_the_sheet(tmp_path: Path) -> None:
    data = fetch(train(tmp_path, [1.0] * 20, time=2.0, tokens_per_sec=512.0), "throughput")
    assert data.every == 1
    assert len(data.panels[0].runs[0].speed) == 20
    data.panels[0].runs[0].median = 2000.0
    figure = drawn(plot_throughput.draw, data)
    assert figure.axes[0].get_ylim()[1] > 2000
    assert fetch(str(tmp_path / "x.duckdb"), "throughput", every="7").every == 7


def test_of_many_experiments_the_longest_are_drawn() -> None:
    def panel(name: str, steps: int) -> Panel:
        ends = np.arange(1.0, steps + 1)
        return Panel(name, None, "steps/s", [Speed(name, ends, ends, np.ones(steps), 1.0, [(2, 2, 0.5, "compute")])])

    panels = [panel(f"e{i}", 10 + (i * 37) % 11) for i in range(9)]
    figure = drawn(plot_throughput.draw, Trends(1, 0.7, panels, ["one", "two"]))
    drawn_names = [a.get_title(loc="left").split(" ")[0] for a in figure.axes]
    longest = sorted(range(9), key=lambda i: -(10 + (i * 37) % 11))[:6]
    assert drawn_names == [f"e{i}" for i in sorted(longest)]
    assert "3 more experiments are not drawn" in words(figure)


# --------------------------------------------------------------------------- thinning


def by_loop(steps: list[int], values: list[float], bins: int, smooth: int) -> tuple[list[tuple[int, float]], ...]:
    """Lowest and highest of each bin, and means of the last finite values at its end, point by point."""
    finite = [(s, v) for s, v in zip(steps, values, strict=True) if math.isfinite(v)]
    width = max(1, math.ceil((finite[-1][0] - finite[0][0] + 1) / bins))
    kept, means = [], []
    for k in range(bins):
        mine = [i for i, (s, _) in enumerate(finite) if (s - finite[0][0]) // width == k]
        if mine:
            ends = [min(mine, key=lambda i: (finite[i][1], i)), max(mine, key=lambda i: (finite[i][1], -i))]
            kept += [finite[i] for i in sorted(ends)]
            if mine[-1] + 1 >= smooth:
                last = [v for _, v in finite[mine[-1] + 1 - smooth : mine[-1] + 1]]
                means.append((finite[mine[-1]][0], math.fsum(last) / smooth))
    return kept, means


@pytest.mark.parametrize(("n", "smooth"), [(1, 1), (1, 50), (3, 2), (1199, 50), (1201, 50), (30_000, 7), (30_000, 900)])
def test_thinned_as_a_loop_over_the_points_does(n: int, smooth: int) -> None:
    rng = np.random.default_rng(n)
    steps = np.sort(rng.choice(np.arange(5, 5 + 3 * n), n, replace=False))
    values = rng.normal(2, 1, n)
    values[rng.integers(0, n, n // 50)] = 99.0
    odd = rng.integers(1, n, n // 100) if n > 100 else np.array([], int)
    values[odd] = rng.choice([math.nan, math.inf, -math.inf], len(odd))
    thin = thinning._thin(steps, values, thinning.BINS, smooth, (0.5, 10))
    kept, means = by_loop(steps.tolist(), values.tolist(), thinning.BINS, smooth)
    assert list(zip(thin.steps.tolist(), thin.values.tolist(), strict=True)) == kept
    assert thin.mean_steps.tolist() == [s for s, _ in means]
    np.testing.assert_allclose(thin.means, [m for _, m in means], rtol=1e-12)
    assert (thin.first_step, thin.last_step) == tuple(steps[np.isfinite(values)][[0, -1]])
    below = [v for s, v in zip(steps, values, strict=True) if s >= 10 and -math.inf < v < 0.5]
    assert thin.touch == (below[0] if below else None)
    marked = {(s, str(v)) for s, v in thin.odd}
    assert marked <= {(float(s), str(v)) for s, v in zip(steps[odd], values[odd], strict=True)}
    assert {v for _, v in marked} == {str(v) for v in values[odd]}


def test_thinning_reads_what_the_curve_holds(store: str) -> None:
    """A resumed experiment, with its redone steps left out, and one with a NaN: as `_curve` has them."""
    with Store(store).reading() as con:
        thin = thinning.thinned(con, "loss", "*", smooth=5, threshold=0.0013, min_steps=1)
        rows = con.execute("FROM _curve('loss', '*') ORDER BY exp, step").fetchall()
    assert len(thin) == 2
    for exp, curve in thin.items():
        mine = [(row[3], row[5]) for row in rows if row[0] == exp]
        finite = [(s, v) for s, v in mine if math.isfinite(v)]
        # a bin that holds one point has it as its lowest and its highest
        assert sorted(set(zip(curve.steps.tolist(), curve.values.tolist(), strict=True))) == finite
        assert [s for s, _ in curve.odd] == [s for s, v in mine if not math.isfinite(v)]


def test_curves_are_read_in_batches(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> Any:
        with Store(store).reading() as con:
            return thinning.thinned(con, "loss", "*", smooth=5, threshold=0.0013, min_steps=1)

    whole = asked()
    monkeypatch.setattr(thinning, "BATCH", 1)
    apart = asked()
    assert list(whole) == list(apart)
    assert [c.values.tolist() for c in whole.values()] == [c.values.tolist() for c in apart.values()]


def test_a_long_run_has_windows_that_a_picture_can_show(tmp_path: Path) -> None:
    """Of 3,000 logged steps 1,000 apart; a slow one is shaded though its window hides it."""
    folder = tmp_path / "logs" / "toy" / "20250209_031500" / "vis_data"
    folder.mkdir(parents=True)
    rows = [
        {"lr": 2e-5, "loss": 1.0, "time": 9.0 if i == 2000 else 1.0, "iter": i * 1000, "step": i * 1000}
        for i in range(1, 3001)
    ]
    (folder / "scalars.json").write_text("\n".join(map(json.dumps, rows)) + "\n", "utf-8")
    path = str(tmp_path / "x.duckdb")
    llmstats.open(path).ingest(tmp_path / "logs")
    data = fetch(path, "throughput")
    assert data.every == 1500
    assert [len(run.speed) for run in data.panels[0].runs] == [2000]
    assert [(first, last) for first, last, _, _ in data.panels[0].runs[0].drops] == [(2_000_000, 2_000_000)]
