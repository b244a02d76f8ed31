"""Results saved as JSON: one object, a list of them, or one after the other in a file that was appended to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from llmstats.documents import Json
from llmstats.errors import ParseError
from llmstats.parsing import Place
from llmstats.records import Issue, Item, Request
from llmstats.training import run_name

from ._serving import request, whole_number
from ._serving_names import meaning_of, plain_key
from ._serving_result import Entry, Result, lengths_in, run_base

_DETAILS = ("input_lens", "output_lens", "ttfts", "itls", "latencies", "queue_times", "start_times", "errors")
#: Numbers that say what was asked for.
_ASKED = re.compile(
    r"num_prompts|best_of|burstiness|seed|run_number|request_rate|max_concurrency|ramp_up_.*|random_.*|sharegpt_.*|gsp_.*"
    r"|image_.*|tag|probe_request_rate|num_warmups|.*_output_len|.*_input_len|input_len|output_len|batch_size"
    r"|benchmark_(?:start|end)_time_unix"
)
#: Numbers that say how the server was laid out and set up, which people add to their results.
_SET_UP = re.compile(
    r"(?:\w+_)?parallel(?:_size|_degree|ism)?|(?:tp|pp|dp|ep|cp|sp)(?:_size|_degree)?|world_size|nnodes"
    r"|(?:num_)?(?:gpus|npus|devices|nodes)|(?:gpu|npu|device|node)_count|max_num_\w+|max_(?:model|seq)_len|max_batch_size"
    r"|max_running_requests|block_size|page_size|chunked_prefill_size|num_scheduler_steps?|num_speculative_tokens"
    r"|gpu_memory_utilization|mem_fraction_static|swap_space",
    re.I,
)
_DECODER = json.JSONDecoder()
_BLANK = re.compile(r"\s*")


class Found(NamedTuple):
    """One result object, and where its values stand."""

    json: Json
    path: tuple[int, ...]

    @property
    def value(self) -> dict[str, Any]:
        value = self.json.value
        for step in self.path:
            value = value[step]
        return value  # type: ignore[no-any-return]

    def line(self, *path: str | int) -> int:
        return self.json.line(*self.path, *path)


def objects(text: str) -> Iterator[Found | Issue]:
    """All objects of a text; what is broken behind the first one is an issue.

    Raises:
        ParseError: the text does not begin with a whole JSON value.
    """
    at, line, count = _BLANK.match(text).end(), 1, 0  # type: ignore[union-attr]
    line += text.count("\n", 0, at)
    while at < len(text):
        end = _end(text, at)
        if end is None:
            if not count:
                raise ParseError(f"line {line}: not JSON")
            yield Issue("broken JSON object", line, text[at : at + 500])
            return
        json_ = Json(text[at:end], line)
        yield from _dicts(json_)
        count += 1
        following = _BLANK.match(text, end).end()  # type: ignore[union-attr]
        line += text.count("\n", at, following)
        at = following


def _end(text: str, at: int) -> int | None:
    try:
        return _DECODER.raw_decode(text, at)[1]
    except (ValueError, RecursionError):
        return None


def _dicts(found: Json) -> Iterator[Found]:
    if isinstance(found.value, dict):
        yield Found(found, ())
    elif isinstance(found.value, list):
        yield from (Found(found, (i,)) for i, value in enumerate(found.value) if isinstance(value, dict))


def results(place: Place, text: str, tokens: str) -> Iterator[Item]:
    """Items of all results of a file; the second and further ones are runs ``#2``, ``#3`` …

    Args:
        tokens: what the tool counts as output tokens.
    """
    base, count = run_base(place), 0
    for found in objects(text):
        if isinstance(found, Issue):
            yield found
        elif not is_result(found.value):
            yield Issue("object without results", found.line(), suspect=False)
        else:
            yield from _result(place, run_name(base, count), found, tokens)
            count += 1
    if not count:
        raise ParseError("no result of a serving benchmark")


def is_result(value: dict[str, Any]) -> bool:
    return "completed" in value or "output_throughput" in value or "request_throughput" in value


def _result(place: Place, name: str, found: Found, tokens: str) -> Iterator[Item]:
    result = Result(name, place.directory(), {}, lengths_in(place.stem), tokens)
    swept = parameters_in(place.parent())
    for key, value in found.value.items():
        if key in _DETAILS or key == "generated_texts":
            continue
        if meaning_of(key, tokens) is not None:
            result.entries[plain_key(key)] = Entry(value, found.line(key), key)
        elif (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and not (_ASKED.fullmatch(key) or _SET_UP.fullmatch(key.replace("-", "_")) or key in swept)
        ):
            result.unknown[key] = Entry(value, found.line(key))
        else:
            result.config |= _asked(key, value)
    result.entries |= _positions(found)
    requests = list(_requests(name, found))
    yield from requests
    yield from result.items()


def _asked(key: str, value: Any) -> dict[str, Any]:
    """What was asked for; of nested objects (``server_info``) the plain values."""
    if isinstance(value, dict):
        return {key: {k: v for k, v in value.items() if isinstance(v, (str, int, float, bool))}}
    if isinstance(value, list) and len(value) > 100:
        return {}
    return {key: value}


def parameters_in(directory: str) -> set[str]:
    """Parameters that ``vllm bench sweep`` names in a directory: ``SERVE--max_num_seqs=4-BENCH--num_prompts=8``."""
    return set(re.findall(r"(?:^|-)([A-Za-z_]\w*)=", directory))


def _positions(found: Found) -> dict[str, Entry]:
    """Acceptance rates of speculative decoding by position in the draft (fractions here, percent where printed)."""
    key = "spec_decode_per_position_acceptance_rates"
    rates = found.value.get(key)
    line = found.line(key)
    return {f"position_{i}": Entry(rate, line, key) for i, rate in enumerate(rates if isinstance(rates, list) else ())}


def _requests(run: str, found: Found) -> Iterator[Request]:
    """Requests of a result saved with ``--save-detailed`` or ``--output-details``; seconds."""
    columns = {key: found.value[key] for key in _DETAILS if isinstance(found.value.get(key), list)}
    kept = next((key for key in ("output_lens", "ttfts", "latencies", "input_lens") if columns.get(key)), None)
    if kept is None:
        return
    succeeded = _succeeded(columns, found.value.get("completed"))
    for i in range(len(columns[kept])):
        row = {key: values[i] for key, values in columns.items() if i < len(values)}
        success = succeeded[i] if i < len(succeeded) else False if row.get("errors") else None
        yield _request(run, i, found.line(kept), row, success)


def _request(run: str, i: int, line: int, row: dict[str, Any], success: bool | None) -> Request:
    output = whole_number(row.get("output_lens"))
    item = request(
        run,
        i,
        line,
        started=row.get("start_times"),
        ttft=row.get("ttfts") or None,
        e2e=row.get("latencies") or _whole_time(row),
        input_tokens=row.get("input_lens"),
        output_tokens=output,
        success=success,
        error=row.get("errors"),
    )
    if item.e2e is not None and item.ttft is not None and output is not None and output > 1:
        item.tpot = (item.e2e - item.ttft) / (output - 1)
    return item


def _whole_time(row: dict[str, Any]) -> float | None:
    """Time to the last chunk: that to the first one and all gaps."""
    first, gaps = row.get("ttfts"), row.get("itls")
    if not isinstance(first, float) or not first or not isinstance(gaps, list):
        return None
    if not all(isinstance(gap, (int, float)) for gap in gaps):
        return None
    return first + sum(gaps)


def _succeeded(columns: dict[str, Sequence[Any]], completed: Any) -> list[bool]:
    """Which requests succeeded: those without an error, or those with output; whichever agrees with the count."""
    by_error = [not error for error in columns.get("errors", ())]
    by_output = [bool(length) for length in columns.get("output_lens", ())]
    for guess in (by_error, by_output):
        if guess and sum(guess) == completed:
            return guess
    return []
