"""What holds for all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says something about the machine, nothing about the code.
settings.register_profile("untimed", deadline=None, print_blob=True)
settings.load_profile("untimed")

# Pictures are drawn to files; no test needs a screen.
os.environ.setdefault("MPLBACKEND", "agg")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real logs that ``LLMSTATS_CORPUS`` names."""
    named = os.environ.get("LLMSTATS_CORPUS")
    if not named:
        pytest.skip("no corpus of real logs: LLMSTATS_CORPUS is not set")
    return Path(named)
