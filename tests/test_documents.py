"""Logs that prose quotes, and where values of JSON and CSV texts stand."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmstats
from llmstats import excerpts
from llmstats.documents import Json, csv_rows, number
from llmstats.errors import ParseError
from llmstats.sources import read_lines

LOG = "".join(
    f"2025/02/09 03:15:{s} - mmengine - INFO - Iter(train) [  {n}/1000]  lr: 2.0000e-05  loss: {loss}\n"
    for s, n, loss in ((32, 10, 1.5), (42, 20, 1.25))
)
MARKDOWN = """\
# How to

- in a list:

  ```text
{fenced}  ```

```bash
pip install this
```

Indented:

{indented}
~~~
never closed
"""
RST = """\
Training
========

It prints::

{indented}
.. code-block:: text
   :linenos:

{indented}
The end.
"""


def indented(text: str, by: str) -> str:
    return "".join(by + line for line in text.splitlines(keepends=True))


def document(form: str) -> str:
    return form.format(fenced=indented(LOG, "  "), indented=indented(LOG.replace("1.5", "2.5"), "    "))


@pytest.mark.parametrize(("name", "form", "blocks"), [("README.md", MARKDOWN, (1, 3)), ("a.rst", RST, (1, 2))])
def test_blocks_keep_the_lines_of_the_document(name, form, blocks):
    text = document(form)
    found = {e.number: e for e in excerpts.find(name, text)}
    for n in blocks:
        lines = text.split("\n")[found[n].first_line - 1 : found[n].last_line]
        assert [line.strip() for line in lines] == found[n].text.rstrip("\n").split("\n")
        assert found[n].text.count("Iter(train)") == 2
        assert not found[n].text.startswith(" ")


def test_excerpts_are_read_on_request_and_marked(tmp_path):
    db = llmstats.open(str(tmp_path / "s.duckdb"))
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "README.md").write_text(document(MARKDOWN))
    report = db.ingest(folder)
    assert report.statuses == {"unrecognised": 1}
    assert "--documents" in report.problems[0][2]

    db.ingest(folder, documents=True)
    assert db.ingest(folder, documents=True).unchanged == 1
    rows = db.query("SELECT r.run_id, r.labels->>'excerpt', p.value, p.line FROM points p JOIN runs r USING (run_id) "
                    "WHERE p.metric = 'loss' ORDER BY ALL").rows  # fmt: skip
    assert rows == [
        ("README.md/excerpt-1", "lines 6-7", 1.25, 7),
        ("README.md/excerpt-1", "lines 6-7", 1.5, 6),
        ("README.md/excerpt-3", "lines 16-17", 1.25, 17),
        ("README.md/excerpt-3", "lines 16-17", 2.5, 16),
    ]
    (place,) = db.show("README.md/excerpt-3", "loss", 10)
    assert "loss: 2.5" in place.text
    assert read_lines(place.path, 16, 16) == [place.text]
    assert all(finding.good for finding in db.verify())


def test_an_excerpt_that_went_from_the_document(tmp_path):
    db = llmstats.open(str(tmp_path / "s.duckdb"))
    path = tmp_path / "README.md"
    path.write_text(document(MARKDOWN))
    db.ingest(path, documents=True)
    path.write_text("# How to\n\n```text\n" + LOG + "```\n")
    db.ingest(path, documents=True)
    assert db.query("SELECT run_id FROM runs").rows == [("README.md/excerpt-1",)]
    assert db.query("SELECT count(*) FROM points WHERE metric = 'loss'").rows == [(2,)]


# --------------------------------------------------------------------------- places of values


def leaves(value, path=()):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from leaves(inner, (*path, i))
    else:
        yield path, value


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


@given(VALUES, st.sampled_from([None, 1]))
def test_the_line_of_a_json_value_holds_it(value, indent):
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    document = Json(text)
    assert document.value == value
    for path, leaf in leaves(value):
        line = text.split("\n")[document.line(*path) - 1]
        numbers = path and isinstance(path[-1], int)  # an array of plain numbers is one place
        assert json.dumps(leaf, ensure_ascii=False) in line or numbers


def test_broken_json_says_where():
    with pytest.raises(ParseError, match="line 2 column 6"):
        Json('{\n"a": }')


def test_rows_of_a_table_with_line_breaks_in_cells():
    rows = list(csv_rows('a, b\n"x\ny", 1\n\n 2,3 \n'))
    assert [(row.line, row.cells) for row in rows] == [(1, ["a", "b"]), (2, ["x\ny", "1"]), (5, ["2", "3"])]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1,234.5", 1234.5), (" 7 ", 7.0), ("1e-3", 0.001), (".5", 0.5), ("-", None), ("", None), ("N/A", None),
     ("12,34", None), ("1_000", None), ("0x10", None), ("5%", None), ("inf", float("inf"))],
)  # fmt: skip
def test_numbers_of_tables(text, expected):
    assert number(text) == expected
