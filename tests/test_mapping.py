"""Files taken in by a table in ``llmstats.toml``, and step logs that a user asks for by name."""

from pathlib import Path

import pytest

import llmstats
from llmstats.errors import InputError, NotFound

JSON = """\
{"results": [
 {"model_name": "toy-7b", "clients": 8, "ttft": {"p50": 120.5, "p99": 300}, "tok_s": 1234.5, "ok": true},
 {"model_name": "toy-7b", "clients": 16, "ttft": {"p50": 220.5}, "tok_s": null}
]}
"""
TABLE = """\
[[map]]
files = "bench/*.json"
format = "json"
rows = "results"
kind = "serving"
[map.facts]
device = "X1"
device_count = 8
[map.columns]
model_name = "model"
clients = "concurrency"
"ttft.p50" = { metric = "ttft", statistic = "p50", unit = "ms", definition = "ttft@my_tool" }
tok_s = "output_tokens_per_second"
"""
STEPS = "step 1 loss=3.5 foo=2\nstep 2 loss=3.25 foo=3\n"


@pytest.fixture
def db(tmp_path):
    return llmstats.open(str(tmp_path / "s.duckdb"))


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / "d" / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root / "d"


def rows(db, sql):
    return db.query(sql).rows


def test_measurements_of_a_json_document(tmp_path, db):
    report = db.ingest(write(tmp_path, bench__a_dot_json=JSON, llmstats_dot_toml=TABLE))
    assert report.formats == {"mapped": 1}
    measured = "SELECT metric, statistic, concurrency, value, unit, definition, raw_value, line FROM measurements"
    assert rows(db, f"{measured} ORDER BY ALL") == [
        ("output_tokens_per_second", "value", 8.0, 1234.5, "token/s", None, "1234.5", 2),
        ("output_tokens_per_second", "value", 16.0, None, "token/s", None, "None", 3),
        ("ttft", "p50", 8.0, 0.1205, "s", "ttft@my_tool", "120.5", 2),
        ("ttft", "p50", 16.0, 0.2205, "s", "ttft@my_tool", "220.5", 3),
    ]
    facts = "SELECT run_id, kind, model, device, device_count FROM runs"
    assert rows(db, facts) == [("d/bench/a", "serving", "toy-7b", "X1", 8)]
    assert rows(db, "SELECT reason FROM issues") == [("column 'ttft.p99' is not in [map.columns]; 1 numbers left out",)]


@pytest.mark.parametrize(
    ("name", "form", "text"),
    [
        ("t.csv", "csv", "it,when,loss,mem\n1,2025-03-01 08:00:00,2.5,1.5\n2,2025-03-01 08:00:01,2.25,1.5\n"),
        ("t.log", "jsonl", '{"it": 1, "when": 1740816000, "loss": 2.5, "mem": 1.5}\n\n'
         '{"it": 2, "when": 1740816001000, "loss": 2.25, "mem": 1.5}\n{"it": 3, "lo'),
    ],
)  # fmt: skip
def test_series_of_tables_and_json_lines(tmp_path, db, name, form, text):
    table = f"""\
[[map]]
files = "**/t.*"
format = "{form}"
[map.columns]
it = "step"
when = "time"
loss = "loss"
mem = {{ metric = "memory_used", unit = "GiB" }}
"""
    db.ingest(write(tmp_path, **{f"deep__er__{name.replace('.', '_dot_')}": text, "llmstats_dot_toml": table}))
    third = 3 if form == "jsonl" else None
    assert rows(db, "SELECT run_id, metric, step, value, epoch_ms(time)::BIGINT, line FROM points ORDER BY ALL") == [
        ("d/deep/er/t", "loss", 1, 2.5, 1740816000000, 1 if third else 2),
        ("d/deep/er/t", "loss", 2, 2.25, 1740816001000, third or 3),
        ("d/deep/er/t", "memory_used", 1, 1.5 * 2**30, 1740816000000, 1 if third else 2),
        ("d/deep/er/t", "memory_used", 2, 1.5 * 2**30, 1740816001000, third or 3),
    ]


def test_a_step_that_is_no_whole_number_is_told(tmp_path, db):
    table = '[[map]]\nfiles = "t.csv"\nformat = "csv"\n[map.columns]\nit = "step"\nloss = "loss"\n'
    text = "it,loss\n1,3\n1.5,2.5\n2.0,2\n,9\nthree,8\ninf,7\n1e300,6\n"
    db.ingest(write(tmp_path, t_dot_csv=text, llmstats_dot_toml=table))
    assert rows(db, "SELECT step, value FROM points ORDER BY ALL") == [(1, 3.0), (2, 2.0)]
    assert rows(db, "SELECT line, reason, excerpt FROM issues ORDER BY ALL") == [
        (3, "the step is no whole number", "1.5"), (6, "the step is no whole number", "three"),
        (7, "the step is no whole number", "inf"), (8, "the step is no whole number", "1e300"),
    ]  # fmt: skip
    assert rows(db, "SELECT lines_suspect FROM sources WHERE format = 'mapped'") == [(4,)]


def test_a_changed_table_reads_its_files_again(tmp_path, db):
    root = write(tmp_path, bench__a_dot_json=JSON, llmstats_dot_toml=TABLE)
    db.ingest(root)
    assert db.ingest(root).unchanged == 1
    write(tmp_path, llmstats_dot_toml=TABLE.replace('unit = "ms"', 'unit = "us"'))
    db.ingest(root)
    ttft = rows(db, "SELECT value FROM measurements WHERE metric = 'ttft' AND concurrency = 8")
    assert ttft == [(pytest.approx(0.0001205),)]
    write(tmp_path, llmstats_dot_toml="")
    assert db.ingest(root).statuses == {"unrecognised": 1}
    assert rows(db, "FROM measurements") == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (('unit = "ms"', 'unit = "GiB"'), "'ttft.p50': ttft is kept in s; 'GiB' is none of "),
        (('kind = "serving"', 'kind = "speed"'), "map 1: kind is one of training, "),
        (('rows = "results"', 'row = "results"'), "map 1: unknown key 'row'; there are: "),
        (('device = "X1"', 'chip = "X1"'), "'chip' is no fact of a run"),
        (('files = "bench/*.json"', ""), 'map 1: files = "…" is missing'),
        (("device_count = 8", 'device_count = "eight"'), "device_count = 'eight': a whole number from 1 on is needed"),
        (("device_count = 8", "device_count = 2.5"), "device_count = 2.5: a whole number from 1 on is needed"),
        (('device = "X1"', "device = true"), "device = True: write it as text"),
        (
            ('tok_s = "output', 'tok = "output_tokens_per_second"\ntok_s = "output'),
            "'tok' and 'tok_s' are both output_tokens_per_second (value)",
        ),
        (('statistic = "p50"', "statistic = 50"), "'ttft.p50': write statistic as text"),
        (("[map.facts]", "facts = 1\n[map.fact]"), "map 1: "),
    ],
)
def test_a_wrong_table_says_where(tmp_path, db, wrong, message):
    with pytest.raises(InputError, match=r"llmstats\.toml: ") as error:
        db.ingest(write(tmp_path, bench__a_dot_json=JSON, llmstats_dot_toml=TABLE.replace(*wrong)))
    assert message in str(error.value)


def test_two_columns_of_one_series_are_refused_and_definitions_keep_them_apart(tmp_path, db):
    table = """\
[[map]]
files = "*.csv"
format = "csv"
[map.columns]
it = "step"
a = { metric = "step_time", statistic = "p50"DEFINED }
b = { metric = "step_time", statistic = "p99" }
"""
    root = write(tmp_path, t_dot_csv="it,a,b\n1,0.5,2\n", llmstats_dot_toml=table.replace("DEFINED", ""))
    with pytest.raises(InputError, match="'a' and 'b' are both step_time; give each a definition"):
        db.ingest(root)
    write(tmp_path, llmstats_dot_toml=table.replace("DEFINED", ', definition = "step_time@median"'))
    db.ingest(root)
    assert rows(db, "SELECT definition, value FROM points ORDER BY ALL") == [("step_time@median", 0.5), (None, 2.0)]


MIXED = """\
[[map]]
files = "*"
format = "csv"
[map.columns]
model = "model"
device = "device"
gpus = "device_count"
state = "status"
it = "step"
c = "concurrency"
tps = "tokens_per_second_per_device"
"""


def test_rows_of_other_facts_are_other_runs(tmp_path, db):
    table = MIXED.replace('it = "step"\n', "")
    csv = "model,device,gpus,c,tps\nA,X1,8,8,100\nB,X2,8,8,20\nA,X1,8,16,150\nB,X2,8,16,30\nB,,8,16,31\n,,,32,32\n"
    db.ingest(write(tmp_path, t_dot_csv=csv, llmstats_dot_toml=table))
    measured = (
        "SELECT run_id, model, device, concurrency, value FROM measurements JOIN runs USING (run_id) ORDER BY ALL"
    )
    assert rows(db, measured) == [
        ("d/t", "A", "X1", 8.0, 100.0), ("d/t", "A", "X1", 16.0, 150.0),
        ("d/t#2", "B", "X2", 8.0, 20.0), ("d/t#2", "B", "X2", 16.0, 30.0),
        ("d/t#3", "B", None, 16.0, 31.0), ("d/t#3", "B", None, 32.0, 32.0),
    ]  # fmt: skip


def test_steps_of_other_facts_are_other_runs_however_the_file_grows(tmp_path, db):
    lines = [f"{'A,X1' if i < 6 else 'B,X2'},{i},{1000 + i},{'done' if i == 11 else 'running'}" for i in range(12)]
    text = "".join(f"{line}\n" for line in ("model,device,it,tps,state", *lines))
    for end in (3, 8, 13):
        root = write(tmp_path, t_dot_csv="".join(text.splitlines(keepends=True)[:end]), llmstats_dot_toml=MIXED)
        db.ingest(root)
    runs = "SELECT run_id, model, device, status FROM runs ORDER BY ALL"
    assert rows(db, runs) == [("d/t", "A", "X1", "running"), ("d/t#2", "B", "X2", "done")]
    points = "SELECT run_id, count(*), min(step), max(step), sum(value) FROM points GROUP BY ALL ORDER BY ALL"
    assert rows(db, points) == [
        ("d/t", 6, 0, 5, sum(range(1000, 1006))), ("d/t#2", 6, 6, 11, sum(range(1006, 1012))),
    ]  # fmt: skip


@pytest.mark.parametrize("cell", ["8 GPUs", "eight", "true", "1e30", "2.5", "-4", "0", "nan", "inf"])
def test_a_count_that_is_none_is_an_issue_and_null(tmp_path, db, cell):
    table = MIXED.replace('it = "step"\n', "")
    csv = f"model,gpus,tps\nA,{cell},100\nB,8.0,50\n"
    report = db.ingest(write(tmp_path, t_dot_csv=csv, llmstats_dot_toml=table))
    assert report.statuses == {"parsed": 1}
    assert rows(db, "SELECT model, device_count FROM runs ORDER BY ALL") == [("A", None), ("B", 8)]
    issue = ("gpus is no whole number from 1 on", 2, cell)
    assert rows(db, "SELECT reason, line, excerpt FROM issues") == [issue]


def test_rows_that_cannot_be_stored_fail_their_file_alone(tmp_path, db, monkeypatch):
    from llmstats import reading

    take = reading.Reading.take

    def spoilt(self, items):
        """As a parser with a defect would have it."""
        items = list(items)
        for item in items:
            if type(item).__name__ == "Run" and item.name == "d/bench/b":
                item.device_count = "eight"
        take(self, items)

    monkeypatch.setattr(reading.Reading, "take", spoilt)
    files = {"bench__a_dot_json": JSON, "bench__b_dot_json": JSON.replace("1234.5", "99"), "bench__c_dot_json": JSON}
    root = write(tmp_path, **files, llmstats_dot_toml=TABLE)
    report = db.ingest(root, workers=1)
    assert report.statuses == {"parsed": 2, "failed": 1}
    [(path, status, reason)] = report.problems
    assert (path, status) == (str(root / "bench/b.json"), "failed")
    assert reason.startswith("defect in the parser: ")
    assert rows(db, "SELECT DISTINCT run_id FROM measurements ORDER BY 1") == [("d/bench/a",), ("d/bench/c",)]
    assert rows(db, "SELECT path, status FROM sources WHERE status <> 'parsed'") == [(path, "failed")]
    assert db.ingest(root).unchanged == 3
    monkeypatch.undo()
    (root / "bench/b.json").write_text(files["bench__b_dot_json"] + "\n")
    db.ingest(root)
    assert rows(db, "SELECT count(DISTINCT run_id) FROM measurements") == [(3,)]


def test_rows_that_are_not_there_fail_the_file(tmp_path, db):
    table = TABLE.replace('rows = "results"', 'rows = "result"')
    report = db.ingest(write(tmp_path, bench__a_dot_json=JSON, llmstats_dot_toml=table))
    assert report.statuses == {"failed": 1}
    assert "there is no 'result' in the document" in report.problems[0][2]


def test_generic_steps_only_when_asked(tmp_path, db):
    root = write(tmp_path, o_dot_txt=STEPS, notes_dot_txt="nothing here\n")
    assert db.ingest(root).statuses == {"unrecognised": 2}
    report = db.ingest(root, fallback="generic_steps")
    assert report.statuses == {"parsed": 1, "unrecognised": 1}
    assert report.new_keys == {("generic_steps", "foo"): 2}
    assert rows(db, "SELECT metric, step, value FROM points ORDER BY ALL") == [
        ("foo", 1, 2.0), ("foo", 2, 3.0), ("loss", 1, 3.5), ("loss", 2, 3.25),
    ]  # fmt: skip
    with (root / "o.txt").open("a") as file:
        file.write("step 3 loss=3.0 foo=4\n")
    report = db.ingest(root)
    assert (report.statuses, report.unchanged, report.new_keys) == ({"parsed": 1}, 1, {})
    assert rows(db, "SELECT count(*) FROM points") == [(6,)]
    assert all(finding.good for finding in db.verify())


def test_generic_steps_by_a_table(tmp_path, db):
    table = '[[map]]\nfiles = "o.*"\nformat = "generic_steps"\n'
    report = db.ingest(write(tmp_path, o_dot_txt=STEPS, p_dot_txt=STEPS + "\n", llmstats_dot_toml=table))
    assert report.statuses == {"parsed": 1, "unrecognised": 1}


def test_a_format_that_does_not_exist(tmp_path, db):
    with pytest.raises(NotFound, match="did you mean 'generic_steps'"):
        db.ingest(write(tmp_path, o_dot_txt=STEPS), fallback="generic_step")
