"""What holds for all tests."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says something about the machine, nothing about the code.
settings.register_profile("untimed", deadline=None, print_blob=True)
settings.load_profile("untimed")

# A shell without job control starts what it puts into the background with SIGINT ignored, and whatever these tests
# start would inherit that: programs that are to end at Ctrl-C would run on.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Pictures are drawn to files; no test needs a screen.
os.environ.setdefault("MPLBACKEND", "agg")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file begins first: of two processes none is left alone with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("wheel") is None)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real logs that ``LLMSTATS_CORPUS`` names."""
    named = os.environ.get("LLMSTATS_CORPUS")
    if not named:
        pytest.skip("no corpus of real logs: LLMSTATS_CORPUS is not set")
    return Path(named)
