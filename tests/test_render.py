"""Answers in all formats, and what text from a log may not do there."""

import csv
import io
import json
import math
import os
import unicodedata
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstats.errors import InputError, NotFound
from llmstats.query import Answer
from llmstats.render import FORMATS, cell, number, plain, render, shortened, table

#: What would colour, move, rename, ring, reverse or break a line of a terminal.
EVIL = "\x1b[31mred\x1b[0m\x1b]0;title\x07 \r\x08\x7f\x9b2J\u202etxet\u200b\u2028 end"
ANSWER = Answer(
    ["run_id", "loss", "steps", "note"],
    [("toy/1", 0.0013, 2000, "a|b"), ("toy/22", math.nan, None, None), ("损失/3", -math.inf, 7, EVIL)],
)
WIDTHS = [80, 100, 120, 160, 200]


def rendered(answer, form, **options):
    file = io.BytesIO() if form == "parquet" else io.StringIO()
    render(answer, form, file, **options)
    return file.getvalue()


def width(text):
    """Columns on a terminal, told another way than the renderer does."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.category(c) in ("Mn", "Me") for c in text)


def harmless(text):
    return all(c == "\n" or c.isprintable() or unicodedata.category(c) == "Zs" for c in text)


# --------------------------------------------------------------------------- formats


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("answer", [ANSWER, Answer(["a", "b"], []), Answer([], [])], ids=["rows", "none", "nothing"])
def test_every_format_takes_every_answer(answer, form):
    text = rendered(answer, form)
    assert isinstance(text, bytes if form == "parquet" else str)


def test_unknown_formats_are_refused():
    with pytest.raises(InputError, match="table, json, csv, markdown, latex, parquet"):
        rendered(ANSWER, "xml")


def test_json_is_json_and_says_nan_as_text():
    rows = json.loads(rendered(ANSWER, "json"), parse_constant=pytest.fail)
    assert rows[0] == {"run_id": "toy/1", "loss": 0.0013, "steps": 2000, "note": "a|b"}
    assert [row["loss"] for row in rows] == [0.0013, "NaN", "-Infinity"]
    assert (rows[1]["steps"], rows[1]["note"], rows[2]["note"], rows[2]["run_id"]) == (None, None, EVIL, "损失/3")


def test_json_keeps_numbers_whole_and_chinese_readable():
    answer = Answer(["a", "b", "c"], [(0.1 + 0.2, 2**63, [math.inf, None, {"k": math.nan}])])
    text = rendered(answer, "json")
    assert json.loads(text) == [{"a": 0.1 + 0.2, "b": 2**63, "c": ["Infinity", None, {"k": "NaN"}]}]
    assert "损失/3" in rendered(ANSWER, "json")


def test_json_of_every_type():
    values = (
        datetime(2025, 2, 9, 3, 15, 0, 500_000), date(2025, 2, 9), time(3, 15), timedelta(minutes=90), b"\x00\xff",
        True, Decimal("1.5"), (1, 2), {"a": None},
    )  # fmt: skip
    (row,) = json.loads(rendered(Answer([str(i) for i in range(9)], [values]), "json"))
    assert list(row.values()) == [
        "2025-02-09T03:15:00.500000", "2025-02-09", "03:15:00", 5400.0, "00ff", True, 1.5, [1, 2], {"a": None}
    ]  # fmt: skip


def test_csv_keeps_numbers_in_full_and_text_as_it_is():
    evil = EVIL + '\n"quoted", with, commas'
    values = (0.1 + 0.2, math.nan, -math.inf, None, True, 12345678901234567, evil, [1, "a"], {"k": math.nan})
    text = rendered(Answer(["a\nb", *"bcdefghi"], [values]), "csv")
    head, row = csv.reader(io.StringIO(text, newline=""))
    assert head == ["a\nb", *"bcdefghi"]
    assert row == [
        "0.30000000000000004", "nan", "-inf", "", "true", "12345678901234567", evil, '[1, "a"]', '{"k": "NaN"}'
    ]  # fmt: skip
    assert "\r\n" not in rendered(ANSWER, "csv")


def test_csv_times_are_read_by_others():
    values = (datetime(2025, 2, 9, 3, 15, 0, 500_000), datetime(2025, 2, 9, tzinfo=UTC), date(2025, 2, 9))
    text = rendered(Answer(["a", "b", "c"], [values]), "csv")
    assert text.splitlines()[1] == "2025-02-09 03:15:00.500000,2025-02-09 00:00:00+00:00,2025-02-09"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_csv_is_escaped_on_a_terminal_only():
    screen = Terminal()
    render(ANSWER, "csv", screen)
    assert harmless(screen.getvalue())
    assert EVIL in rendered(ANSWER, "csv")


def test_parquet_is_what_was_answered():
    read = pyarrow.parquet.read_table(io.BytesIO(rendered(ANSWER, "parquet")))
    assert repr(read.to_pylist()) == repr([dict(zip(ANSWER.columns, row, strict=True)) for row in ANSWER.rows])
    spans = Answer(["a"], [(timedelta(seconds=1.5),)], table=pa.table({"a": pa.array([1_500_000], pa.duration("us"))}))
    read = pyarrow.parquet.read_table(io.BytesIO(rendered(spans, "parquet")))
    assert read["a"].to_pylist() == [timedelta(seconds=1.5)]


def test_markdown_cannot_be_broken_out_of():
    evil = "a|b\n# h `c` *d* _e_ <script>alert(1)</script> [l](javascript:x) ~~s~~ $x$ &lt; \\"
    head, rule, *rows = rendered(Answer(["n", "<b>|"], [(1, evil), (2, EVIL)]), "markdown").splitlines()
    assert head == "| n | \\<b\\>\\| |"
    assert rule == "| ---: | --- |"
    assert rows[0] == (
        "| 1 | a\\|b # h \\`c\\` \\*d\\* \\_e\\_ \\<script\\>alert(1)\\</script\\> \\[l\\](javascript:x) "
        "\\~\\~s\\~\\~ \\$x\\$ \\&lt; \\\\ |"
    )
    assert len(rows) == 2
    assert harmless(rows[1])


# --------------------------------------------------------------------------- cells


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (True, "yes"), (False, "no"), (3, "3"), (2**63, "9223372036854775808"), ("a\nb\tc", "a b c"),
        (datetime(2025, 2, 9, 3, 15, 0, 999), "2025-02-09 03:15:00"), (date(2025, 2, 9), "2025-02-09"),
        (timedelta(minutes=90), "1:30:00"), (["x, y", "z"], "x, y; z"), ([1.5, None], "1.5, –"),
        ({"a\x1b": 1.0, "b": [True]}, "a\\x1b: 1, b: yes"), (b"\x1b", "1b"), (Decimal("2.50"), "2.5"), ("", ""),
    ],
)  # fmt: skip
def test_cells(value, text):
    assert cell(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (1.0, "1"), (1 / 3, "0.333333"), (8184.152513, "8184.15"), (273759.379, "273759"),
        (8184152.7, "8184153"), (14764049382716.0, "14764049382716"), (-2e6 - 0.5, "-2000000"), (1e15, "1e+15"),
        (1.12789e20, "1.12789e+20"), (1e-7, "1e-07"), (0.0013, "0.0013"), (math.nan, "nan"), (-math.inf, "-inf"),
    ],
)  # fmt: skip
def test_numbers(value, text):
    assert number(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_keep_six_digits(value):
    assert float(number(value)) == pytest.approx(value, rel=1e-5, abs=0)


@given(st.text())
def test_plain_text_is_harmless(text):
    assert harmless(plain(text))
    assert "\n" not in plain(text)


def test_plain_text_shows_what_was_there():
    assert plain("损失 0.5，良好\u3000。") == "损失 0.5，良好\u3000。"
    assert plain("\x1b[1m\u202e\U000e0001") == "\\x1b[1m\\u202e\\U000e0001"


@given(st.text(st.sampled_from("ab/损失é\u0301 ")), st.integers(3, 30))
def test_shortened_texts_fit(text, room):
    short = shortened(text, room)
    assert width(short) <= room
    assert short == text or "…" in short


def test_a_shortened_path_keeps_both_ends():
    path = "/data/" + "x" * 100 + "/20250209_031500.log:104"
    assert shortened(path, 40).startswith("/data/x")
    assert shortened(path, 40).endswith("/20250209_031500.log:104")
    assert len(shortened(path, 40)) == 40


# --------------------------------------------------------------------------- tables


def test_a_table_is_aligned():
    text = table(Answer(["name", "n", "损失"], [("a", 1, "好"), ("long name", 22.5, None)]))
    assert text.splitlines() == [
        "name          n  损失",
        "─────────  ────  ────",
        "a             1  好",
        "long name  22.5  –",
    ]


def test_chinese_text_lines_up():
    rows = [("损失值", 1), ("loss", 22), ("ｆｕｌｌ", 333), ("e\u0301", 4444)]
    lines = table(Answer(["指标", "值"], rows)).splitlines()
    assert len({width(line) for line in lines}) == 1


@pytest.mark.parametrize("columns", WIDTHS)
def test_terminals_cannot_be_steered(columns):
    answer = Answer([EVIL, "b" + EVIL], [(EVIL * 3, {EVIL: [EVIL]})] * 3)
    for form, options in (("table", {"width": columns}), ("table", {}), ("json", {}), ("markdown", {})):
        assert harmless(rendered(answer, form, **options))


WIDE = Answer(
    ["model", "run_id", *(f"tokens_per_second_{i}" for i in range(12)), "error", "source"],
    [
        (
            "DeepSeek-R1", f"deepseek_r1_serving_910b/bz{n}_input1024_output1024", *(n * i / 7 for i in range(12)),
            None,
            f"/data/work_dirs/ascend_910b/deepseek_r1_serving_910b/log/test_log_bz{n}_input1024_output1024.log:{n}",
        )
        for n in (1, 8, 16, 128)
    ],
)  # fmt: skip


@pytest.mark.parametrize("columns", [40, 60, *WIDTHS, 400])
@pytest.mark.parametrize("answer", [ANSWER, WIDE], ids=["small", "wide"])
def test_tables_fit_the_terminal(answer, columns):
    text = table(answer, columns)
    lines = [line for line in text.splitlines() if not line.startswith("source")]
    listed = columns == 40 and answer is WIDE
    assert listed or max(map(width, lines)) <= columns
    hidden = text.partition("not shown: ")[2]
    for row in answer.rows:
        shown = [v for name, v in zip(answer.columns, row, strict=True) if name not in hidden]
        assert all(v is None or isinstance(v, str) or cell(v) in text for v in shown), "a number was cut"


@pytest.mark.parametrize("columns", [w for w in WIDTHS if w < 200])
def test_a_folded_table_says_in_each_part_which_run_it_is_of(columns):
    parts = table(WIDE, columns).split("\n\n")
    assert parts.pop() == "no values: error\n"
    hidden = parts.pop() if parts[-1].startswith("not shown: ") else ""
    assert 1 < len(parts) <= 3
    for part in parts:
        lines = part.splitlines()
        rule = next(i for i, line in enumerate(lines) if line.startswith("─"))
        first = [line.split()[0] for line in lines[rule + 1 :]]
        assert lines[rule - 1].startswith("run_id")
        assert len(set(first)) == len(WIDE.rows)
    names = " ".join(part.split("─")[0] for part in parts).split()
    assert {"model", "source", "11"} <= {piece.strip(",").rpartition("_")[2] for piece in [*names, *hidden.split()]}


def test_a_table_without_bound_is_whole():
    text = table(WIDE)
    assert len(text.splitlines()) == 2 + len(WIDE.rows)
    assert all(row[-1] in text for row in WIDE.rows)


def test_a_single_wide_row_becomes_a_list():
    lines = table(Answer(WIDE.columns, WIDE.rows[:1]), 100).splitlines()
    assert lines[0] == "model                 DeepSeek-R1"
    assert lines[-3].startswith("source                /data/work_dirs/")
    assert lines[-1] == "no values: error"


def test_long_names_are_wrapped_before_a_table_is_folded():
    rows = [(f"run {n}", n, n) for n in range(3)]
    lines = table(Answer(["run_id", "output_tokens_per_second", "total_tokens_per_second"], rows), 24).splitlines()
    assert [line.split() for line in lines[:2]] == [["output_", "total_"], ["tokens_", "tokens_"]]
    assert lines[2].split() == ["per_", "per_"]
    assert lines[3].split() == ["run_id", "second", "second"]
    assert max(map(len, lines)) <= 24


def test_a_long_text_gives_way_to_numbers():
    rows = [("/data/" + "x" * 300 + f"/{n}.log", 123456789012345 + n, 0.000123456) for n in range(2)]
    text = table(Answer(["path", "size", "share"], rows), 80)
    assert "123456789012346" in text
    assert "/0.log" in text
    assert max(map(len, text.splitlines())) == 80


def test_a_million_characters_are_no_trouble():
    text = table(Answer(["a", "b"], [("x" * 1_000_000, 1), ("损" * 100_000, 2)]), 80)
    assert max(map(width, text.splitlines())) <= 80


@pytest.mark.parametrize("columns", [0, 20, 80])
def test_an_empty_answer_says_so(columns):
    text = table(Answer(["a_long_name", "and_another_one"], []), columns)
    assert "a_long_name" in text
    assert text.endswith("(no rows)\n")
    assert columns == 0 or max(map(len, text.splitlines())) <= columns


def test_columns_of_nothing_are_kept_where_there_is_nothing_else():
    assert "–" in table(Answer(["a" * 50, "b" * 50], [(None, None)] * 2), 60)


@pytest.mark.parametrize(("columns", "most"), [("60", 60), ("", 500), ("wide", 500), ("-5", 500)])
def test_the_environment_tells_the_width(monkeypatch, columns, most):
    monkeypatch.setenv("COLUMNS", columns)
    lines = rendered(WIDE, "table").splitlines()
    assert most / 2 < max(map(width, lines)) <= most


def test_a_terminal_tells_the_width(monkeypatch):
    monkeypatch.setattr("shutil.get_terminal_size", lambda fallback: os.terminal_size((90, 24)))
    screen = Terminal()
    render(WIDE, "table", screen)
    assert 80 < max(map(width, screen.getvalue().splitlines())) <= 90


texts = st.one_of(
    st.none(), st.text(max_size=60), st.floats(), st.integers(), st.lists(st.text(max_size=5), max_size=3)
)


@given(
    st.integers(1, 6).flatmap(
        lambda n: st.tuples(
            st.lists(st.text(min_size=1, max_size=30), min_size=n, max_size=n),
            st.lists(st.tuples(*[texts] * n), max_size=5),
        )
    ),
    st.sampled_from([0, 10, 40, 80, 200]),
)
def test_any_answer_is_rendered_harmlessly(made, columns):
    answer = Answer(*made)
    assert harmless(table(answer, columns))
    assert harmless(rendered(answer, "markdown"))
    assert json.loads(rendered(answer, "json"), parse_constant=pytest.fail) is not None
    assert len(list(csv.reader(io.StringIO(rendered(answer, "csv"), newline="")))) == 1 + len(answer.rows)


def test_latex_is_a_table_that_text_cannot_leave():
    file = io.StringIO()
    render(Answer(["a_b", "n"], [("50 % of $x_1$ & {\\input{/etc/passwd}}", 1.5), (None, 2)]), "latex", file)
    assert file.getvalue() == (
        "% needs \\usepackage{booktabs}\n\\begin{tabular}{lr}\n\\toprule\na\\_b & n \\\\\n\\midrule\n"
        r"50 \% of \$x\_1\$ \& \{\textbackslash{}input\{/etc/passwd\}\} & 1.5 \\"
        "\n-- & 2 \\\\\n\\bottomrule\n\\end{tabular}\n"
    )


def test_of_a_very_wide_answer_three_tables_are_shown_and_the_rest_is_named():
    names = ["run_id", *(f"column_{i:02d}" for i in range(40)), "reason", "source"]
    rows = [
        (f"toy/{k}", *range(100_000_000 * k, 100_000_000 * k + 40), f"because {k}", f"/w/{k}.log:1") for k in (1, 2)
    ]
    text = table(Answer(names, rows), 80)
    assert text.count("run_id") == 3
    assert all(name in text.replace("\n", " ") for name in names)  # shown, or named below
    last, note = text.split("\n\n")[2:]
    assert "because 1" in last
    assert "/w/2.log:1" in last
    assert note.startswith("not shown: column_")
    assert "--columns" in note


def test_columns_are_chosen_by_name(tmp_path):
    answer = Answer(["a", "b", "c"], [(1, 2, 3)])
    assert (answer.select(["c", "a"]).columns, answer.select(["c", "a"]).rows) == (["c", "a"], [(3, 1)])
    assert answer.select(["b"]).arrow().to_pydict() == {"b": [2]}
    with pytest.raises(NotFound, match="no column named 'd'"):
        answer.select(["d"])


def test_a_reason_is_not_cut_while_names_can_be():
    reason = "no reference points of this benchmark are ingested"
    answer = Answer(["run_id", "verdict", "reason"], [("a/" + "long/" * 14 + "run", "cannot tell", reason)])
    assert len(reason) > 20
    assert reason in table(answer, 150)
