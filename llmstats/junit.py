"""A judgement as JUnit XML, which continuous integration reads: a test suite per experiment, a test per criterion.

A criterion that fails is a ``failure``; one of which nothing can be told an ``error``, so that it never shows as green.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from llmstats.judge import Case, Finding, Judgement

_KINDS = {"fail": "failure", "cannot tell": "error"}


def junit(judgement: Judgement) -> str:
    """The document as text, ending in a line end; the same judgement gives the same text."""
    recipe = judgement.recipe
    root = ET.Element("testsuites", name=f"{recipe.name}@{recipe.version}")
    for case in judgement.cases:
        _suite(root, case, _plain(root.get("name") or ""))
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(root: ET.Element, case: Case, recipe: str) -> None:
    results = [finding.found.result for finding in case.findings]
    suite = ET.SubElement(
        root, "testsuite", name=_plain(case.experiment), tests=str(len(results)),
        failures=str(results.count("fail")), errors=str(results.count("cannot tell")), time="0",
    )  # fmt: skip
    properties = ET.SubElement(suite, "properties")
    for name, value in (("verdict", case.verdict), ("run_id", case.run_id), ("reference", case.reference)):
        if value is not None:
            ET.SubElement(properties, "property", name=name, value=_plain(value))
    for finding in case.findings:
        _test(suite, finding, _plain(case.experiment), recipe)


def _test(suite: ET.Element, finding: Finding, experiment: str, recipe: str) -> None:
    found = finding.found
    name = f"{finding.criterion} {finding.asked}".strip()
    test = ET.SubElement(suite, "testcase", classname=f"{recipe}.{experiment}", name=_plain(name), time="0")
    if found.result in _KINDS:
        ET.SubElement(test, _KINDS[found.result], message=_plain(found.reason), type=found.result)
    lines = [f"{found.result}: {found.reason}"]
    if found.number and found.number.last_at:
        lines.append(f"{found.number.first_at} … {found.number.last_at}")
    ET.SubElement(test, "system-out").text = _plain("\n".join(lines))


def _plain(text: str) -> str:
    """Text without what XML 1.0 cannot hold."""
    return "".join(c if c in "\n\t" or c.isprintable() else f"\\x{ord(c):02x}" for c in text)
