"""Traps of table macros, looked for in every file of ``schemas/queries``.

A bare column named like a parameter *is* the parameter; and a bare name may be found in the query that the macro is
joined to before it is found among the macro's own aliases (DuckDB 2).  So no name stands bare in a macro.
"""

import json
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

import duckdb
import pytest

from llmstats import questions

FILES = {
    f.name.removesuffix(".sql"): f.read_text("utf-8")
    for f in sorted(resources.files("llmstats.schemas").joinpath("queries").iterdir(), key=lambda f: f.name)
    if f.name.endswith(".sql")
}
MACRO = re.compile(r"CREATE OR REPLACE MACRO (\w+)\((.*?)\)\s+AS (TABLE\b)?(.*);\s*$", re.S)


def parts(sql: str) -> tuple[str, list[str], str]:
    """Name, parameters and body (as a query) of the macro in a file."""
    code = re.sub(r"^--.*\n", "", sql, flags=re.M)
    match = MACRO.match(code.strip())
    assert match, code[:200]
    parameters = [p.split()[0] for p in match[2].split(",") if p.strip()]
    return match[1], parameters, match[4] if match[3] else f"SELECT {match[4]}"


def bare_names(tree: Any, known: frozenset[str]) -> Iterator[str]:
    """Names of columns without a table, those of lambda variables left out."""
    if isinstance(tree, list):
        for branch in tree:
            yield from bare_names(branch, known)
    if not isinstance(tree, dict) or tree.get("type") == "ORDER_MODIFIER":
        return  # the order of the answer may name its columns
    if tree.get("class") == "COLUMN_REF" and len(tree["column_names"]) == 1 and tree["column_names"][0] not in known:
        yield tree["column_names"][0]
    if tree.get("class") == "LAMBDA":
        known |= set(bare_names(tree["lhs"], frozenset()))
    for branch in tree.values():
        yield from bare_names(branch, known)


def syntax(body: str) -> Any:
    (text,) = duckdb.connect().execute("SELECT json_serialize_sql(?)", [body]).fetchone()
    tree = json.loads(text)
    assert not tree["error"], tree
    return tree


@pytest.mark.parametrize("name", FILES)
def test_no_name_stands_bare(name):
    _, parameters, body = parts(FILES[name])
    assert set(bare_names(syntax(body), frozenset(parameters))) == set()


def test_a_bare_name_is_found():
    body = (
        "SELECT a.x, y, list_transform(a.l, z -> z + w) FROM a WHERE p > 1 QUALIFY row_number() OVER (ORDER BY a.x) = u"
    )
    assert set(bare_names(syntax(body), frozenset({"p"}))) == {"y", "w", "u"}


@pytest.mark.parametrize("name", FILES)
def test_the_file_is_named_like_its_macro(name):
    assert parts(FILES[name])[0] == name


@pytest.mark.parametrize("info", questions.macros(), ids=lambda q: q.name)
def test_the_header_says_what_the_macro_takes(info):
    """Names, types and defaults of the documentation are those of the code."""
    _, names, _ = parts(info.sql)
    assert [p.name for p in info.parameters] == names
    declared = re.search(r"CREATE OR REPLACE MACRO \w+\((.*?)\)\s+AS", info.sql, re.S)
    for parameter in info.parameters:
        assert f"{parameter.name} {parameter.type} := {parameter.default}" in " ".join(declared[1].split())
        assert parameter.text
    assert info.title.endswith((".", "?"))
    assert info.description
