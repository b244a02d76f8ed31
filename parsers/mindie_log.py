"""What ModelTest and ``run_pa.py`` print, to the console or into ``mindie-llm_*.log``.

Source: ``base/model_test.py``, ``examples/run_pa.py``, ``examples/server/generate.py``.  A test prints one line per
case with all its times; without such lines the last ``Prefill time:`` counts, for a dummy of two tokens runs before
the real batch.  GB are GiB.  The count behind ``Generate[i] token num`` is a sum over the requests up to this one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from llmstats.documents import number
from llmstats.parsing import DocumentParser, Head, Place
from llmstats.records import Event, Item, Measurement, Request, Run

from ._mindie import (
    BATCH_DEVICE,
    BATCH_WALL,
    DECODE_RATE,
    FRAMEWORK,
    GIB,
    MS,
    OUTPUT_RATE,
    PREFILL,
    PREFILL_SHARE,
    TPOT,
    fingerprint,
)
from ._samples_mindie import LOG_SAMPLES
from ._serving import Case, Meaning, decimals, measurement, whole_number

_N = r"(-?[\d.]+(?:[eE][-+]?\d+)?|nan|inf)"
_CASE = re.compile(rf"batch(?:_id)?: \d+, seq_len_in: {_N}, seq_len_out: {_N}, total_time: {_N},")
_TOTALS = re.compile(r"batch: \d+, non_first_token_throughput_total: ")
_PREFILL = re.compile(
    rf"Prefill time: {_N}ms, Prefill average time: {_N}ms, Decode token time: {_N}ms, E2E time: {_N}ms"
)
_PAIR = re.compile(rf"(\w+): {_N}")
_MEMORY = re.compile(
    rf"(hbm_capacity|init_memory|warmup_memory|infer max_memory|warm_up_memory|free_memory)\(GB\): +{_N}"
)
_TOKENS = re.compile(r"Generate\[(\d{1,9})\] token num: \((\d{1,9}), (\d{1,12})\)")
_ERROR = re.compile(r"Error caught during (?:Warm-up|inference): .*|something wrong marked for CI")
_SIGN = re.compile(
    rf"{_CASE.pattern}|hbm_capacity\(GB\): |-{{15}}begin (?:warm_up|inference)-{{15}}"
    r"|performance test (?:start|warmup start)|INFO: current model_type: (?:pa|fa|basic)"
    r"|Prefill time: [\d.]+ms, Prefill average"
)
_NAMED = re.compile(r"(?P<model>\S+) batch \d+ (?:formatted )?result saved in (?P<path>\S+)")

_MEANINGS = {
    "total_time": Meaning("e2e_batch_latency", BATCH_WALL),
    "prefill_all_time": Meaning("prefill_time", PREFILL, MS),
    "prefill_avg_time": Meaning("prefill_time_per_request", PREFILL_SHARE, MS),
    "first_token_time": Meaning("prefill_time", PREFILL, MS),
    "non_first_token_time": Meaning("tpot", TPOT, MS),
    "non_first_token_throughput": Meaning("decode_tokens_per_second", DECODE_RATE),
    "e2e_throughput": Meaning("output_tokens_per_second", OUTPUT_RATE),
    "non_first_token_throughput_average": Meaning("decode_tokens_per_second", DECODE_RATE, 1.0, "mean"),
    "e2e_throughput_average": Meaning("output_tokens_per_second", OUTPUT_RATE, 1.0, "mean"),
}
_SERVED = (
    ("Prefill time", Meaning("prefill_time", PREFILL, MS)),
    ("Prefill average time", Meaning("prefill_time_per_request", PREFILL_SHARE, MS)),
    ("Decode token time", Meaning("tpot", TPOT, MS)),
    ("E2E time", Meaning("e2e_batch_latency", BATCH_DEVICE, MS)),
)
_MEMORIES = {
    "hbm_capacity": Meaning("memory_total", None, GIB),
    "init_memory": Meaning("memory_used", "memory_used@weights_loaded", GIB),
    "warmup_memory": Meaning("memory_used", "memory_used@warmed_up", GIB),
    "warm_up_memory": Meaning("memory_used", "memory_used@warmed_up", GIB),
    "infer max_memory": Meaning("memory_budget", None, GIB),
    "free_memory": Meaning("memory_free", "memory_free@for_kv_cache", GIB),
}
#: Keys of a case that repeat others.
_SIZES = frozenset(("batch", "batch_id", "seq_len_in", "seq_len_out", "e2e_time"))


class MindIELog(DocumentParser):
    """One run per log; the same as the table's where the log lies beside the results."""

    name = "mindie_log"
    version = 1
    title = "MindIE ModelTest and run_pa.py: console and log"
    writes = "MindIE-LLM"
    samples = LOG_SAMPLES

    def detect(self, head: Head) -> str | None:
        marks = ("seq_len_in: ", "hbm_capacity", "------begin ", "performance test ", "INFO: current", "Prefill time: ")
        if any(mark in head.text for mark in marks) and (match := _SIGN.search(head.text)):
            return f"line '{match[0][:40].strip()}'"
        return None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        lines = text.split("\n")
        lines.pop()  # behind the last newline: nothing, or half a line
        up = 2 if place.parent() == "logs" else 1
        name = "/".join(p for p in (place.parent(), place.stem) if p)
        log = _Log(Run(name, place.directory(up), kind="inference", framework=FRAMEWORK))
        for line, said in enumerate(lines, 1):
            log.line(line, said)
        yield from log.items()


@dataclass(slots=True)
class _Log:
    """What was read so far; of values that are told again the last counts."""

    run: Run
    cases: list[Measurement] = field(default_factory=list)
    served: list[Measurement] = field(default_factory=list)
    memory: dict[tuple[str, str | None], Measurement] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    requests: dict[int, Request] = field(default_factory=dict)
    tokens: int = 0
    batch: float | None = None

    def items(self) -> Iterator[Item]:
        """Everything; the driver's own times only where no test told its cases."""
        yield from self.cases or self.served
        yield from self.memory.values()
        yield from self.requests.values()
        yield from self.events
        if self.events:
            self.run.status = "failed"
        elif self.cases or self.served:
            self.run.status = "completed"
        yield self.run

    def line(self, at: int, said: str) -> None:
        if "seq_len_in: " in said and (case := _CASE.search(said)):
            self._case(at, said[case.start() :], case)
        elif "throughput_total: " in said and (totals := _TOTALS.search(said)):
            self._totals(at, said[totals.start() :])
        elif "Prefill time: " in said and (times := _PREFILL.search(said)):
            rows = zip(_SERVED, times.groups(), strict=True)
            self.served = [self._value(m, raw, key, at, Case()) for (key, m), raw in rows]
        elif "(GB): " in said:
            self._memory(at, said)
        elif "token num: " in said and (tokens := _TOKENS.search(said)):
            self._request(at, *map(int, tokens.groups()))
        elif ("Error caught" in said or "something wrong" in said) and (error := _ERROR.search(said)):
            kind = "oom" if "out of memory" in said.lower() else "error"
            self.events.append(Event(self.run.name, kind, error[0].strip()[:2000], at))
        elif " result saved in " in said and (named := _NAMED.search(said)):
            self.run.model = named["model"]

    def _value(self, meaning: Meaning, raw: str, key: str, at: int, case: Case) -> Measurement:
        return measurement(self.run.name, meaning, raw, key, at, case, decimals(raw))

    def _case(self, at: int, said: str, match: re.Match[str]) -> None:
        """A case, or one batch of a dataset, which is no case of its own: the last of equal sizes counts."""
        pairs = dict(_PAIR.findall(said))
        of_dataset = "batch_id" in pairs
        batch = None if of_dataset else number(pairs["batch"])
        case = Case(number(match[1]), number(match[2]), batch_size=batch)
        case.conditions = {"batch_id": whole_number(pairs["batch_id"])} if of_dataset else {}
        self.cases += [
            self._value(_MEANINGS.get(key, Meaning(key)), raw, key, at, case)
            for key, raw in pairs.items()
            if key not in _SIZES
        ]
        total = number(match[3])
        if self.run.fingerprint is None and total is not None and not of_dataset:
            self.run.fingerprint = fingerprint(batch, case.input_len, case.output_len, total)

    def _totals(self, at: int, said: str) -> None:
        """Means over all cases; the totals are sums of rates and mean nothing."""
        pairs = dict(_PAIR.findall(said))
        case = Case(batch_size=number(pairs.get("batch", "")))
        self.cases += [
            self._value(_MEANINGS.get(key, Meaning(key)), raw, key, at, case)
            for key, raw in pairs.items()
            if key.endswith("_average")
        ]

    def _memory(self, at: int, said: str) -> None:
        for key, raw in _MEMORY.findall(said):
            meaning = _MEMORIES[key]
            self.memory[meaning.metric, meaning.definition] = self._value(meaning, raw, f"{key}(GB)", at, Case())

    def _request(self, at: int, index: int, _: int, tokens: int) -> None:
        """Tokens of one request; a count below the last one begins a new batch."""
        own = tokens - self.tokens if index and tokens >= self.tokens else tokens
        self.tokens = tokens
        self.requests[index] = Request(self.run.name, index, output_tokens=own, line=at)
