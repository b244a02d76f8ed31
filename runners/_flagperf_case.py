"""An inference case of a FlagPerf checkout: what it needs, and where that is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from llmstats.errors import InputError, NotFound

#: Cases whose rates count prompt tokens.
_LLM = re.compile(r".*_mmlu")


@dataclass(frozen=True)
class Case:
    """``text`` is ``model:framework``; FlagPerf allows more parts and ignores them."""

    root: Path
    text: str
    vendor: str
    data: Path

    @property
    def inference(self) -> Path:
        return self.root / "inference"

    @property
    def model(self) -> str:
        return self.text.split(":")[0]

    @property
    def framework(self) -> str:
        return self.text.split(":")[1]

    @property
    def tokens(self) -> bool:
        return _LLM.fullmatch(self.model) is not None

    @cached_property
    def host_yaml(self) -> Mapping[str, Any]:
        return read_yaml(self.inference / "configs" / "host.yaml")

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """The case's settings, the vendor's over the common ones, as FlagPerf merges them."""
        folder = self.inference / "configs" / self.model
        vendor = folder / "vendor_config" / f"{self.vendor}_configurations.yaml"
        merged = dict(read_yaml(folder / "configurations.yaml"))
        return merged | (dict(read_yaml(vendor)) if vendor.is_file() else {})

    def missing(self) -> Iterator[str]:
        """What FlagPerf will look for and not find."""
        framework = self.framework.partition("_")[0]
        image = f"inference/docker_images/{self.vendor}"
        for path, what in (
            (f"inference/benchmarks/{self.model}/{framework}", f"the case's program for {framework}"),
            (f"{image}/{self.framework}", "the vendor's image for this framework"),
            (f"{image}/{self.vendor}_monitor.py", "the vendor's monitor"),
            (f"{image}/{self.vendor}_analysis.py", "how the monitor's log is read"),
        ):
            if not (self.root / path).exists():
                yield f"{self.root / path}: {what}"
        compiler = self.configuration.get("compiler")
        if compiler and not (self.root / f"inference/inference_engine/{self.vendor}/{compiler}.py").is_file():
            yield f"{self.root}/inference/inference_engine/{self.vendor}/{compiler}.py: compiler: {compiler}"
        yield from self._missing_data()

    def _missing_data(self) -> Iterator[str]:
        """Weights and questions, where ``parameters.yaml`` of an LLM's case says they are."""
        if not self.data.is_dir():
            yield f"{self.data}: the data directory"
            return
        file = self.inference / "configs" / self.model / "parameters.yaml"
        told = read_yaml(file) if self.tokens and file.is_file() else {}
        weights, questions = told.get("weight_dir"), told.get("mmlu_dir")
        if weights and not (self._below(weights) / "config.json").is_file():
            yield f"{self._below(weights)}/config.json: the weights (weight_dir: {weights} in {file})"
        if questions and not list(self._below(questions).glob("test/*_test.csv")):
            yield f"{self._below(questions)}/test/*_test.csv: the questions (mmlu_dir: {questions} in {file})"

    def _below(self, text: object) -> Path:
        return self.data / str(text).lstrip("/")


def case_at(root: Path, text: str, vendor: str | None, data: str | None) -> Case:
    """The case, after a look at all that it needs.

    Raises:
        InputError: what is missing, all of it at once.
    """
    inference = root / "inference"
    for path in (inference / "run.py", inference / "configs" / "host.yaml", root / "utils"):
        if not path.exists():
            raise InputError(f"--flagperf {root}: no {path.relative_to(root)}; is it a checkout of FlagPerf?")
    if text.count(":") < 1 or not all(text.split(":")[:2]):
        raise InputError(f"{text!r}: a case is MODEL:FRAMEWORK_VERSION, such as llama3_8b_mmlu:pytorch_2.1")
    host = read_yaml(inference / "configs" / "host.yaml")
    cases = host.get("CASES") if isinstance(host.get("CASES"), dict) else {}
    data = data or (cases or {}).get(text)
    if not data:
        raise InputError(f"--data-dir is needed: {inference}/configs/host.yaml says none for {text}")
    case = Case(root, text, vendor or str(host.get("VENDOR") or ""), Path(data).absolute())
    _check_names(case)
    if missing := list(case.missing()):
        raise InputError(f"case {text} of vendor {case.vendor} lacks:\n" + "\n".join(f"  {line}" for line in missing))
    return case


def _check_names(case: Case) -> None:
    models = {p.parent.name for p in case.inference.glob("configs/*/configurations.yaml")}
    if case.model not in models:
        raise NotFound.among("inference case of FlagPerf", case.model, models)
    vendors = {p.name for p in case.inference.glob("docker_images/*") if p.is_dir()}
    if case.vendor not in vendors:
        raise NotFound.among("vendor of FlagPerf's inference", case.vendor, vendors)


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping.

    Raises:
        InputError: not there, or no YAML mapping, or PyYAML is missing.
    """
    try:
        import yaml
    except ImportError as why:
        raise InputError("reading FlagPerf's settings needs PyYAML: pip install 'llmstats[runners]'") from why
    try:
        told = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as why:
        raise InputError(f"{path}: cannot be read: {why}") from why
    if not isinstance(told, dict):
        raise InputError(f"{path}: a mapping of settings is needed")
    return told
