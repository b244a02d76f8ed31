"""The pictures of frontiers and lengths, read back from the figure, and looked at for text that overlaps."""

import math
from contextlib import closing

import duckdb
import pytest

import llmstats
from llmstats.errors import InputError, NotFound, QueryError
from llmstats.pictures import frontier, lengths, slo
from llmstats.plot_data_serving import system_names
from llmstats.plot_style import INK
from llmstats.plots import pictures, plot

from .test_answers_serving import Bench, sweep
from .test_plots import assert_readable, drawn, words


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "s.duckdb")


def fetched(bench, name, **given):
    with closing(duckdb.connect(bench.path, read_only=True)) as con:
        return pictures()[name].fetch(con, given)


def line_of(axes, colour, marker="o"):
    """The joined points in a colour."""
    (line,) = [x for x in axes.lines if x.get_color() == colour and x.get_linewidth() == 1.8]
    assert line.get_marker() == marker
    return list(zip(line.get_xdata(), line.get_ydata(), strict=True))


# --------------------------------------------------------------------------- frontier


def test_the_frontier_joins_what_nothing_beats_and_no_two_systems(bench):
    sweep(bench, "a", [100, 150, 140, 300], [0.02, 0.025, 0.03, 0.05])
    sweep(bench, "b", [100, 300], [0.01, 0.1], precision="bf16")
    data = fetched(bench, "frontier")
    figure = drawn(frontier.draw, data)
    (axes,) = figure.axes
    assert line_of(axes, "#D55E00", "s") == [(pytest.approx(x), y) for x, y in [(50, 50), (40, 75), (20, 150)]]
    assert line_of(axes, "#0072B2") == [(100, 50), (10, 150)]
    hollow = [x for x in axes.lines if x.get_linestyle() == "None" and len(x.get_xdata())]
    assert [(x.get_xdata()[0], x.get_ydata()[0]) for x in hollow] == [(pytest.approx(1 / 0.03), 70)]
    said = words(figure)
    assert "m on 2 × d, bf16" in said
    assert "m on 2 × d, fp8" in said
    assert "output tokens per second per device" in said
    assert "interactivity: tokens per second per user, mean" in said
    assert "256 tokens in, 512 out" in said
    assert "beaten by another point" in said
    assert (
        "6 points of 6 runs, 0 with 3 or more repeats; definitions: output_tokens_per_second@toy and tpot@toy" in said
    )
    assert "the same in numbers: llmstats query frontier --all true" in said
    assert_readable(figure)


def test_the_command_of_the_same_numbers_is_one_that_a_shell_takes(bench):
    sweep(bench, "a", [100, 300], [0.02, 0.05], device="Toy A100 80GB")
    data = fetched(bench, "frontier", device="Toy A100*", against="tpot")
    assert data.footer[-1].endswith("llmstats query frontier --against tpot --all true --device 'Toy A100*'")


def test_the_band_reaches_from_the_worst_to_the_best_limits(bench):
    for i, noise in enumerate([0.96, 1.0, 1.04, 0.98, 1.02]):
        for load in (1, 2):
            bench.cell(f"{load}/{i}", load=load, tps=100 * load * noise, tpot=0.02 * load / noise, config={"seed": i})
    rows = bench.ask("frontier", against="tpot")
    figure = drawn(frontier.draw, fetched(bench, "frontier", against="tpot"))
    (axes,) = figure.axes
    (band,) = axes.patches
    corners = {tuple(corner) for corner in band.get_xy()}
    assert corners == {
        corner for row in rows for corner in [(row["value_high"], row["low"]), (row["value_low"], row["high"])]
    }
    assert "95 % band of repeats" in words(figure)
    assert "time per output token (s), mean" in words(figure)
    assert_readable(figure)


def test_many_cases_and_systems_and_those_without_a_point(bench):
    for i in range(6):
        sweep(bench, f"a{i}", [100, 150], [0.02, 0.03], case=(1000 * (i + 1), 512))
    sweep(bench, "long", [100, 150, 160], [0.02, 0.03, 0.04], case=(9000, 512))
    bench.cell("none/1", model="none", tpot=None)
    for i in range(14):
        bench.cell(f"many/{i}", model=f"通义千问-{i}", case=(9000, 512))
    figure = drawn(frontier.draw, fetched(bench, "frontier"))
    assert len(figure.axes) == frontier.MOST
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == sorted(titles)
    assert "9,000 tokens in, 512 out" in titles
    said = words(figure)
    assert "1 system without a point" in said
    assert "3 more cases, not drawn" in said
    assert "3 more systems are drawn" in said


def test_scopes_are_never_on_one_axis(bench):
    bench.cell("a/1")
    bench.cell("b/1", device="e", device_count=None)
    figure = drawn(frontier.draw, fetched(bench, "frontier"))
    assert sorted(axes.get_title() for axes in figure.axes) == [
        "256 tokens in, 512 out, per device", "256 tokens in, 512 out, whole system",
    ]  # fmt: skip


def test_a_wide_range_of_latency_is_logarithmic(bench):
    sweep(bench, "a", [100, 150], [0.02, 0.9])
    (axes,) = drawn(frontier.draw, fetched(bench, "frontier", against="tpot")).axes
    assert axes.get_xscale() == "log"


@pytest.mark.parametrize(
    ("name", "given", "error", "says"),
    [
        ("frontier", {"against": "ttft"}, InputError, "no run has ttft; see --against"),
        ("frontier", {"pick": "x"}, NotFound, "no experiment or run named 'x'"),
        ("frontier", {"all": "true"}, NotFound, "parameter of frontier"),
        ("lengths", {"concurrency": "3"}, InputError, "concurrency 3"),
        ("lengths", {"model": "other"}, InputError, "--label input_len=1024"),
    ],
)
def test_nothing_to_draw_is_said(bench, tmp_path, name, given, error, says):
    bench.cell("a/1", ttft=None)
    with (
        closing(duckdb.connect(bench.path, read_only=True)) as con,
        pytest.raises(error, match=says.replace("(", r"\(")),
    ):
        plot(con, name, tmp_path / "x.png", **given)


@pytest.mark.parametrize("name", ["frontier", "lengths"])
def test_the_same_question_gives_the_same_bytes(bench, tmp_path, name):
    sweep(bench, "a", [100, 150], [0.02, 0.03])
    for form in ("svg", "png", "pdf"):
        paths = [tmp_path / f"{i}.{form}" for i in range(2)]
        for path in paths:
            llmstats.open(bench.path).plot(name, str(path))
        assert paths[0].read_bytes() == paths[1].read_bytes()


# --------------------------------------------------------------------------- names


ROW = {
    "model": "m", "device": "d", "device_count": None, "framework": None, "precision": None, "parallelism": None,
    "apart": None, "source": "/w/x/y/a.log:1",
}  # fmt: skip


def names_of(*rows, definitions=()):
    return system_names([{**ROW, **row} for row in rows], list(definitions))


def test_a_name_says_what_differs_and_no_more():
    assert names_of({"framework": "vllm"}, {"framework": "vllm"}) == ["m on d"] * 2
    assert names_of({"framework": "vllm"}, {"precision": "fp8"}) == ["m on d, vllm", "m on d, fp8"]
    assert names_of({}, {}, definitions=["a", "b"]) == ["m on d, a", "m on d, b"]
    assert names_of({}, {"source": "/w/z/a.log"}) == ["m on d"] * 2
    lost = names_of({}, {}, {"model": "n"}, definitions=["a", "", "b"])
    assert lost == ["m on d, a", "m on d, a", "n on d, b"], "what failed means what its neighbours mean"


def test_systems_that_do_not_say_their_device_are_told_apart_by_folder():
    nobody = {"device": None}
    other = {**nobody, "source": "/w/z/y/a.log"}
    assert names_of(nobody, nobody) == ["m on device not known"] * 2
    assert names_of(nobody, other) == ["m on device not known, in x/y", "m on device not known, in z/y"]
    assert names_of(nobody, {**nobody, "source": "/w/x/q/a.log"}) == [f"m on device not known, in {n}" for n in "yq"]


# --------------------------------------------------------------------------- lengths


def grid_of(bench, device, factor, **facts):
    for i in (256, 1024, 122880):
        for o in (128, 2048):
            bench.cell(
                f"{device}/{i}/{o}",
                tps=factor * 1000 / i**0.5,
                ttft=i / 1000 / factor,
                case=(i, o),
                device=device,
                extra=[(("ttft", "p50"), i / 900 / factor)],
                **facts,
            )


def test_lengths_are_a_table_at_the_load_measured_most_widely(bench):
    grid_of(bench, "d", 1)
    bench.cell("d/other", load=64, case=(256, 128))
    bench.cell("d/none", case=(None, None))
    rows = bench.ask("lengths")
    assert {(row["input_len"], row["output_len"], row["concurrency"]) for row in rows} == {
        (i, o, 8) for i in (256, 1024, 122880) for o in (128, 2048)
    }
    first = rows[0]
    assert (first["throughput"], first["per"], first["runs"]) == (1000 / 16 / 2, "device", 1)
    assert (first["throughput_definition"], first["source"]) == ("output_tokens_per_second@toy", "/w/d/256/128.log:11")
    assert [row["run_id"] for row in bench.ask("lengths", concurrency=64)] == ["d/other"]
    assert bench.ask("lengths", tokens="total")[0]["throughput"] == 3 * first["throughput"]
    assert (first["ttft"], first["tpot"]) == (256 / 900, None)
    assert bench.ask("lengths", statistic="p99")[0]["tpot"] == 0.04
    assert bench.ask("lengths", pick="d/256/128") == [first]
    assert bench.ask("lengths", model="n") == bench.ask("lengths", device="e") == []


def test_repeats_of_lengths_are_their_median_and_failures_are_kept(bench):
    for i, tps in enumerate([10, 30, 20]):
        bench.cell(f"a/{i}", tps=tps, config={"seed": i})
    bench.cell("a/lost", tps=math.nan, tpot=None, ttft=None, status="failed", case=(512, 512))
    rows = {row["input_len"]: row for row in bench.ask("lengths")}
    assert (rows[256]["throughput"], rows[256]["runs"], rows[256]["run_id"]) == (10, 3, "a/0, a/1, a/2")
    assert (rows[512]["throughput"], rows[512]["status"], rows[512]["per"]) == (None, "failed", "device")


def test_of_several_configurations_the_picture_shows_the_fastest(bench):
    for i, tps in enumerate([10, 30, 20]):
        bench.cell(f"a/{i}", tps=tps, ttft=1 + i, config={"seed": i, "spec": "mtp" if i < 1 else "none"})
    assert [row["throughput"] for row in bench.ask("lengths")] == [5, 12.5]
    data = fetched(bench, "lengths", statistic="mean")
    (table,) = data.tables
    assert (table.speed, table.ttft) == ({(256, 512): 12.5}, {(256, 512): 2.5})
    said = words(drawn(lengths.draw, data))
    assert "1 cell with several measurements that are no repeats: the fastest is shown" in said
    data = fetched(bench, "lengths", by="spec")
    assert (len(data.tables), data.several) == (2, 0)


def test_the_picture_of_lengths_shows_every_number(bench):
    grid_of(bench, "d", 1)
    grid_of(bench, "e", 0.5)
    bench.cell("e/lost", tps=math.nan, tpot=None, ttft=None, status="failed", case=(256, 512), device="e")
    data = fetched(bench, "lengths")
    figure = drawn(lengths.draw, data)
    assert len(figure.axes) == 4
    said = words(figure)
    for row in bench.ask("lengths"):
        for value in (row["throughput"], row["ttft"]):
            assert value is None or f"\n{lengths._brief(value)}\n" in said
    assert "at 8 concurrent requests" in said
    assert "output tokens per second per device" in said
    assert "A  m on 2 × e" in said, "the fuller table comes first"
    assert "B  m on 2 × d" in said
    assert said.count("\n×\n") >= 2, "the failed cell is crossed out in both tables"
    assert "122,880" in said
    assert_readable(figure)
    upper = figure.axes[0]
    assert [t.get_text() for t in upper.get_yticklabels()] == ["256", "1,024", "122,880"]
    hatched = [p for p in upper.patches if p.get_hatch()]
    assert len(hatched) == 3, "the failed cell and two that nobody measured"


def test_brighter_is_faster_on_one_scale(bench):
    grid_of(bench, "d", 1)
    grid_of(bench, "e", 0.5)
    figure = drawn(lengths.draw, fetched(bench, "lengths"))
    found = {}
    for axes in figure.axes[:2]:
        for text, patch in zip(axes.texts, axes.patches, strict=True):
            red, green, blue, _ = patch.get_facecolor()
            found[float(text.get_text().replace(",", ""))] = 0.299 * red + 0.587 * green + 0.114 * blue
    assert [found[k] for k in sorted(found)] == sorted(found.values())


def test_many_systems_and_one_cell(bench):
    for i in range(6):
        bench.cell(f"a/{i}", model=f"m{i}")
    figure = drawn(lengths.draw, fetched(bench, "lengths"))
    assert len(figure.axes) == 2 * lengths.MOST
    assert "2 more systems, not drawn" in words(figure)
    assert_readable(figure)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0457, "0.0457"), (99.4, "99.4"), (99.6, "100"), (1234.4, "1,234"), (9999.6, "10k"), (1.2e6, "1.2M")],
)
def test_numbers_are_brief(value, text):
    assert lengths._brief(value) == text


# --------------------------------------------------------------------------- service levels


def test_the_share_that_meets_is_drawn_with_its_limits(bench):
    for load in (1, 2, 4):
        made = [{"ttft": 0.1 if i < 100 - 20 * load else 9.0, "output_tokens": 5} for i in range(100)]
        bench.requests(f"a/{load}", made, config={"concurrency": load, "input_len": 16, "output_len": 5})
    bench.requests("b/1", [{"ttft": 0.1, "output_tokens": 5}] * 50)
    figure = drawn(slo.draw, fetched(bench, "slo", ttft="1", share="0.75"))
    (axes,) = figure.axes
    (joined,) = [x for x in axes.lines if x.get_marker() == "o"]
    assert list(zip(joined.get_xdata(), joined.get_ydata(), strict=True)) == [(1, 80), (2, 60), (4, 20)]
    spans = {
        x.get_xdata()[0]: tuple(x.get_ydata()) for x in axes.lines if x.get_linewidth() == 1 and x.get_color() != INK
    }
    rows = {row["concurrency"]: row for row in bench.ask("slo", ttft=1, all=True)}
    assert spans == {load: (100 * rows[load]["low"], 100 * rows[load]["high"]) for load in (1, 2, 4)}
    (asked,) = [x for x in axes.lines if x.get_color() == INK]
    assert set(asked.get_ydata()) == {75}
    said = words(figure)
    assert "TTFT ≤ 1 s" in said
    assert "3 runs, 300 requests with a record of their own; definitions: ttft@requests" in said
    assert "1 run without the times or the load, not drawn" in said
    assert "llmstats query slo --ttft 1 --share 0.75 --all true" in said
    assert_readable(figure)


def test_bounds_are_spans_beside_each_other(bench):
    for device in "de":
        sweep(bench, device, [100, 200], [0.02, 0.05], device=device)
    bench.cell("f/1", case=(1, 1))
    figure = drawn(slo.draw, fetched(bench, "slo", tpot="0.045"))
    assert len(figure.axes) == 2
    bars = [x for x in figure.axes[1].lines if x.get_linewidth() == 3.5]
    rows = bench.ask("slo", tpot=0.045, all=True, pick="[de]*")
    assert sorted(tuple(x.get_ydata()) for x in bars) == sorted((100 * r["low"], 100 * r["high"]) for r in rows)
    assert len({x.get_xdata()[0] for x in bars}) == 4, "no two on one place"
    assert "bounds from aggregates" in words(figure)
    assert_readable(figure)


def test_levels_need_a_limit_and_a_load(bench):
    bench.requests("b/1", [{"ttft": 0.1, "output_tokens": 5}] * 50)
    for ask in (bench.ask, lambda name: fetched(bench, name)):
        with pytest.raises(QueryError, match="limit in seconds is needed: --ttft, --tpot or --e2e, such as --ttft"):
            ask("slo")
    with pytest.raises(InputError, match="--label concurrency=8"):
        fetched(bench, "slo", ttft="1")
