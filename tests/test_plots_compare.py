"""The picture of `compare`: bars, whiskers and words are those of the query."""

import statistics
from contextlib import closing

import duckdb
import pytest

from llmstats.errors import InputError
from llmstats.pictures import compare as picture
from llmstats.pictures.compare import Bar, Bars, Block
from llmstats.plots import plot

from .test_compare import TGS, Bench
from .test_plots import assert_readable, drawn, words


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "s.duckdb")


@pytest.fixture
def repeats(bench):
    """Four repeats a side, one layout more on the second device, and one run in another width of numbers."""
    bench.speeds([100.0, 102.0, 101.0, 99.0], parallelism="TP8")
    bench.speeds([150.0, 152.0, 155.0, 149.0], device="X2", parallelism="TP8")
    bench.speeds([140.0], device="X2", parallelism="TP4")
    bench.speeds([300.0], device="X3", precision="fp8", parallelism="TP8")
    bench.add((TGS, 5.0, {"definition": "tgs@toy"}), model="other", parallelism="TP8")
    bench.add((TGS, 4.0, {"definition": "tgs@toy"}), model="other", device="X2", parallelism="TP8")
    bench.add(("accuracy", 0.5), device="X4")
    return bench


def fetched(bench, **given):
    bench.ask()
    with closing(duckdb.connect(bench.path, read_only=True)) as con:
        return picture.fetch(con, given)


def widths(figure):
    return sorted(patch.get_width() for axes in figure.axes for patch in axes.patches if patch.get_width() > 0)


def test_bars_and_whiskers_are_those_of_the_query(repeats):
    data = fetched(repeats, baseline="X1")
    rows = [r for r in repeats.ask(baseline="X1") if r["relative"] and r["comparability"] != "baseline"]
    figure = drawn(picture.draw, data)
    assert_readable(figure)
    assert widths(figure) == pytest.approx(sorted(r["relative"] for r in rows))
    (whisker,) = [line.get_xdata() for axes in figure.axes for line in axes.lines if len(set(line.get_xdata())) == 2]
    (row,) = [r for r in rows if r["relative_low"]]
    assert list(whisker) == [row["relative_low"], row["relative_high"]]
    ratio = statistics.geometric_mean([150, 152, 155, 149]) / statistics.geometric_mean([100, 102, 101, 99])
    assert whisker[0] < ratio < whisker[1]


def test_words_say_n_caveats_and_what_is_not_drawn(repeats):
    text = words(drawn(picture.draw, fetched(repeats, baseline="X1")))
    for said in (
        "How fast is each device against Toy X1?", "training: other, bf16, TP8, 8 devices, against Toy X1",
        "training: toy_7b, bf16, 8 devices, against Toy X1", "Toy X2, TP8", "Toy X2, TP4", "1.51  n 4/4",
        "1.39 *  n 1/4", "0.8  n 1/1", "training: geometric mean, against Toy X1", "Toy X2, 2 models, 3 pairs",
        "1 not comparable, not drawn", "1 without value or counterpart", "* with caveats (query comparability)",
        "more is better", "tgs@toy", "Welch t on log values",
        "the same in numbers: llmstats query compare", "--detail true",
    ):  # fmt: skip
        assert said in text, said


def test_of_some_metrics_less_is_better(bench):
    for device, seconds in (("X1", 60.0), ("X2", 90.0)):
        bench.add(("time_to_train", seconds), device=device)
    text = words(drawn(picture.draw, fetched(bench, metric="time_to_train", baseline="X1")))
    assert "How is each device's time_to_train against Toy X1?" in text
    assert "less is better" in text


def test_nothing_to_draw_says_why(bench):
    bench.speeds([100.0], precision="fp8")
    with pytest.raises(InputError, match="nothing to draw: no two devices are comparable; llmstats query compare"):
        fetched(bench)
    bench.speeds([50.0], device="X2")
    with pytest.raises(InputError, match="precision: bf16 against fp8"):
        fetched(bench, baseline="X1")


def test_strict_leaves_out_what_cannot_be_compared(repeats):
    assert (fetched(repeats, baseline="X1").not_comparable, fetched(repeats, baseline="X1").silent) == (1, 1)
    strict = fetched(repeats, baseline="X1", strict="true")
    assert (strict.not_comparable, strict.silent) == (0, 0)


def test_many_bars_with_long_names_stay_readable_and_the_rest_is_counted():
    def bar(i):
        parts = ("bf16+fp8", f"TP{i}PP2DP4EP8-zero3", f"{i} devices", "in 1024, out 1024, concurrency 128, 曦云 C500")
        return Bar(f"A vendor's very long device name {i % 9}", parts, 0.1 + i / 20, None, None, 3, 3, i % 2 == 0)

    blocks = [
        Block("serving", f"a/rather/long/model-name-{b}" * 3, "NVIDIA X", [bar(i) for i in range(25)]) for b in range(2)
    ]
    blocks.append(Block("serving", "geometric mean", "NVIDIA X", [bar(3)]))
    shown, left_out = picture._as_many(blocks)
    assert ([len(b.bars) for b in shown], left_out) == ([25, 15, 1], 10)
    figure = drawn(picture.draw, Bars(shown, "speed", False, 3, 2, left_out, ["compared: x"]))
    assert_readable(figure)
    assert "10 more bars, not drawn" in words(figure)


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_the_same_question_gives_the_same_file(repeats, tmp_path, form):
    repeats.ask()
    files = [tmp_path / f"{name}.{form}" for name in ("one", "two")]
    with closing(duckdb.connect(repeats.path, read_only=True)) as con:
        for file in files:
            plot(con, "compare", file)
    assert files[0].read_bytes() == files[1].read_bytes()
