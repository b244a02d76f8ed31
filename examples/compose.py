"""Composes ``examples/work_dirs``: two machines, compared by training, serving and inference.

    python examples/compose.py [FOLDER]

Every value is invented; the forms are those of the programs named in the modules beside this one.  The
output is the same wherever and whenever it runs, and is committed: `make demo` composes nothing.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import _flagperf
import _serving
import _suites
import _training

A100, ASCEND = "nvidia_a100", "ascend_910b"

#: Facts that the logs below a folder do not say.
LABELS: dict[str, dict[str, str | int]] = {
    A100: {"vendor": "NVIDIA", "device": "NVIDIA A100-SXM4-80GB"},
    ASCEND: {"vendor": "Ascend", "device": "Ascend 910B"},
    f"{A100}/{_serving.A100.directory}": {"model": "DeepSeek-R1", "device_count": 16, "node_count": 2},
    f"{ASCEND}/{_serving.ASCEND.directory}": {"model": "DeepSeek-R1", "device_count": 16, "node_count": 2},
}


def compose(folder: Path) -> None:
    """Write the whole set into a folder; what was there is gone."""
    shutil.rmtree(folder, ignore_errors=True)
    _training.write(folder / A100, _training.A100, _training.A100_ATTEMPTS)
    _training.write(folder / ASCEND, _training.ASCEND, _training.ASCEND_ATTEMPTS)
    _serving.write(folder / A100, _serving.A100)
    _serving.write(folder / ASCEND, _serving.ASCEND)
    _flagperf.write(folder / A100, _flagperf.A100)
    _flagperf.write(folder / ASCEND, _flagperf.ASCEND)
    for name, labels in LABELS.items():
        lines = ["# What the logs below this folder do not say themselves.", "[labels]"]
        lines += [
            f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}" for key, value in labels.items()
        ]
        (folder / name / "llmstats.toml").write_text("\n".join(lines) + "\n", "utf-8")
    for name, site in ((A100, _suites.A100), (ASCEND, _suites.ASCEND)):
        _suites.write(folder / name, site)
        (folder / name / _suites.OWN / "llmstats.toml").write_text(_suites.OWN_MAP.lstrip(), "utf-8")


if __name__ == "__main__":
    compose(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("work_dirs"))
