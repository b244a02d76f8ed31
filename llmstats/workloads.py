"""The registry of runners: the workloads that llmstats can launch, found by their presence (`llmstats.discovery`)."""

from __future__ import annotations

from functools import cache

from llmstats import discovery
from llmstats.errors import NotFound
from llmstats.running import Runner

GROUP = "llmstats.runners"


@cache
def runners() -> tuple[Runner, ...]:
    """All runners, by name.

    Raises:
        LlmstatsError: two share a name, or none is found.
    """
    return discovery.found(GROUP, Runner)


def runner(name: str) -> Runner:
    """The runner of one command word.

    Raises:
        NotFound: there is none of this name.
    """
    for candidate in runners():
        if candidate.name == name:
            return candidate
    raise NotFound.among("runner", name, (r.name for r in runners()))
