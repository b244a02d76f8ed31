"""Write the parts of the documents that the program itself knows best.

    python docs/generate.py            rewrite README.md and docs/*.md
    python docs/generate.py --check    only say what is stale; exit code 1 if anything is

A document holds ``<!-- generated: NAME -->`` … ``<!-- end -->``; what stands between is replaced by what the
region of that name says now.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]

_REGION = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

#: Views and catalogue tables with their columns.
_PUBLIC = """
SELECT c.table_name, list('`' || c.column_name || '` ' || c.data_type ORDER BY c.column_index)
FROM duckdb_columns() c
WHERE NOT c.internal AND NOT starts_with(c.table_name, '_') AND (
    c.table_name IN ('metrics', 'definitions', 'devices')
    OR c.table_name IN (SELECT v.view_name FROM duckdb_views() v WHERE NOT v.internal)
)
GROUP BY c.table_name ORDER BY c.table_name
"""


def formats() -> str:
    """Table of the formats that ingest recognises."""
    from llmstats.formats import parsers

    builtin = [p for p in parsers() if type(p).__module__.startswith("llmstats.parsers.")]
    rows = [(f"`{p.name}`", p.writes, p.title) for p in builtin]
    return _table(("format", "written by", "what it is"), rows)


def programs() -> str:
    """Table of the programs whose output ingest recognises, with the formats of each."""
    from llmstats.formats import parsers

    of: dict[str, list[str]] = {}
    for p in parsers():
        if type(p).__module__.startswith("llmstats.parsers."):
            of.setdefault(p.writes, []).append(f"`{p.name}`")
    rows = [(program, ", ".join(names)) for program, names in sorted(of.items(), key=lambda item: item[0].lower())]
    return _table(("written by", "formats"), rows)


def queries() -> str:
    """Table of the named queries."""
    from llmstats.questions import list_queries

    return _table(("query", "what it answers"), [(f"`{q.name}`", q.title) for q in list_queries()])


def parameters() -> str:
    """Each named query with its description and its parameters."""
    from llmstats.questions import list_queries

    parts = []
    for query in list_queries():
        rows = [(f"`{p.name}`", p.type, f"`{p.default}`", p.text) for p in query.parameters]
        parts += [f"### {query.name}", query.title, query.description]
        parts += [_table(("parameter", "type", "default", "meaning"), rows)] if rows else []
    return "\n\n".join(part.strip() for part in parts if part)


def recipes() -> str:
    """Each shipped recipe: what it asks for, how it reads its document, its parameters."""
    from llmstats.recipe_pages import pages
    from llmstats.recipes import list_recipes

    return pages(list_recipes())


def metrics() -> str:
    """Table of the canonical metrics."""
    from llmstats.catalog import metrics as catalogue

    return _table(
        ("metric", "unit", "better", "meaning", "含义"),
        [(f"`{m.name}`", m.unit or "", m.direction, m.description_en, m.description_zh) for m in catalogue().values()],
    )


def definitions() -> str:
    """Table of the meanings between which a metric may vary."""
    from llmstats.catalog import definitions as catalogue

    rows = [(f"`{d.name}`", d.description_en, d.description_zh) for d in sorted(catalogue().values())]
    return _table(("definition", "meaning", "含义"), rows)


def schema() -> str:
    """Public tables and their columns, as the migrations make them in an empty database."""
    import duckdb

    from llmstats.store_schema import bring_up

    with duckdb.connect() as con:
        bring_up(con, ":memory:")
        rows = con.execute(_PUBLIC).fetchall()
    return _table(("table", "columns"), [(f"`{name}`", ", ".join(parts)) for name, parts in rows])


def commands() -> str:
    """``--help`` of the program and of each command."""
    import click

    from llmstats.cli import main

    def help_of(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
        names = main.context_settings["help_option_names"]
        context = click.Context(command, parent, name, terminal_width=88, max_content_width=88, help_option_names=names)
        yield f"```text\n$ {context.command_path} --help\n{command.get_help(context).rstrip()}\n```"
        if isinstance(command, click.Group):
            for child in command.list_commands(context):
                found = command.get_command(context, child)
                if found is not None and not found.hidden:
                    yield from help_of(found, child, context)

    return "\n\n".join(help_of(main, "llmstats", None))


REGIONS: dict[str, Callable[[], str]] = {
    part.__name__: part
    for part in (formats, programs, queries, parameters, recipes, metrics, definitions, schema, commands)
}


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(c) for c in row) + " |" for row in cells)


def _cell(text: str) -> str:
    return " ".join(str(text).replace("|", "\\|").split())


def renewed(text: str) -> str:
    """A document with all its regions as they should be.

    Raises:
        KeyError: a region has a name that nobody generates.
    """
    return _REGION.sub(lambda match: f"{match[1]}{REGIONS[match[2]]()}\n{match[3]}", text)


def documents() -> list[Path]:
    """The documents that may hold regions."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def stale() -> dict[Path, str]:
    """The documents that are not as they should be, with the text that they should have."""
    texts = {path: path.read_text(encoding="utf-8") for path in documents()}
    return {path: new for path, text in texts.items() if (new := renewed(text)) != text}


def main() -> int:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description="Write the generated parts of the documents.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if something is stale")
    check = parser.parse_args().check
    found = stale()
    for path, text in found.items():
        if not check:
            path.write_text(text, encoding="utf-8")
        print(f"{'stale' if check else 'wrote'}: {path.relative_to(ROOT)}", file=sys.stderr)
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main())
