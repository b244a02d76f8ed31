"""What holds for all tests."""

import os

from hypothesis import settings

# How long an example takes says something about the machine, nothing about the code.
settings.register_profile("untimed", deadline=None, print_blob=True)
settings.load_profile("untimed")

# Pictures are drawn to files; no test needs a screen.
os.environ.setdefault("MPLBACKEND", "agg")
