"""The measuring process of `run inference`: ``python -m llmstats.runners._measure SETTINGS DIRECTORY``.

A process of its own, so that a crash of a driver or the kernel's killer leaves somebody to write how it ended, and so
that tensor parallelism starts the same program once per device.  Exit codes: 0; 2 with the reason on standard error.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmstats import environment
from llmstats.errors import InputError, LlmstatsError
from llmstats.running import ending_signals

from . import _causal_lm as causal_lm
from ._accelerator import Accelerator, accelerator
from ._flagperf_log import ContainerLog
from ._inference_report import LOG, Measured, Pass, Repeat, Report
from ._tasks import Example, Score, Task, load_lambada, load_mmlu

if TYPE_CHECKING:
    import torch

#: A line about the step in the log every so many steps, as FlagPerf's configurations say.
_LOG_EVERY = 100


@dataclass(frozen=True)
class Settings:
    """What is to be measured; travels as JSON."""

    model: str
    model_name: str
    task: str
    data: str
    precision: str
    engines: Sequence[str]
    batch_size: int = 1
    repeats: int = 1
    limit: int | None = None
    few_shots: int = 5
    max_length: int = 2048
    device: str | None = None
    device_map: str | None = None
    tensor_parallel: int = 1
    tf32: bool = False
    random_weights: bool = False
    trust_remote_code: bool = False
    seed: int = 0

    def text(self) -> str:
        return json.dumps(vars(self))


def main(arguments: Sequence[str]) -> int:
    """Measure; a second argument names the job's directory."""
    settings, folder = Settings(**json.loads(arguments[0])), arguments[1]
    causal_lm.offline()
    with _compiler_cache() as notes:
        return _reported(settings, folder, notes)


@contextmanager
def _compiler_cache() -> Iterator[list[str]]:
    """An empty cache for torch.compile, so that its time is that of a first start; a user's own is left to it."""
    kept = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    if kept:
        yield [f"torch.compile may find its work done in TORCHINDUCTOR_CACHE_DIR={kept}"]
        return
    with tempfile.TemporaryDirectory(prefix="inductor-", ignore_cleanup_errors=True) as folder:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        yield []


def _reported(settings: Settings, folder: str, notes: list[str]) -> int:
    rank = os.environ.get("RANK", "0")
    first = rank == "0"
    with open(os.path.join(folder, LOG) if first else os.devnull, "a", encoding="utf-8") as file:
        log = ContainerLog(file, sys.stderr if first else None)
        report = Report(folder if first else None, vars(settings), notes if "inductor" in settings.engines else [])
        try:
            with ending_signals():
                _explained(settings, log, report, folder)
        except KeyboardInterrupt:
            status, error, code = "interrupted", "interrupted by a signal: what stands above is partial", 130
        except LlmstatsError as why:
            status, error, code = "failed", str(why), 2
        else:
            return 0
        log.error(error)
        report.end(status, error)
        if not first:
            sys.stderr.write(f"process {rank}: {error}\n")
        return code


def _explained(settings: Settings, log: ContainerLog, report: Report, folder: str) -> None:
    """Measure; whatever goes wrong comes out as an error that a user can read."""
    try:
        _measure(settings, log, report)
    except LlmstatsError:
        raise
    except Exception as why:
        if _out_of_memory(why):
            hint = "a smaller --batch-size or --max-length, bf16, or more devices (--device-map auto)"
            raise LlmstatsError(f"out of memory: {why}\ntry {hint}") from why
        with open(os.path.join(folder, "traceback.txt"), "a", encoding="utf-8") as details:
            traceback.print_exc(file=details)
        raise LlmstatsError(f"{type(why).__name__}: {why}\n(details: traceback.txt)") from why


def _out_of_memory(why: Exception) -> bool:
    return isinstance(why, MemoryError) or "out of memory" in str(why).lower() or "OutOfMemory" in type(why).__name__


# --------------------------------------------------------------------------- the whole


def _measure(settings: Settings, log: ContainerLog, report: Report) -> None:
    begun = time.perf_counter()
    log.event("Init Begin", "building dataloader and model")
    devices = _used(accelerator(settings.device), settings)
    _use_tf32(settings)
    loading = _loading(settings, devices.place)
    task = _task(settings, causal_lm.load_tokenizer(loading))
    loaded = time.perf_counter()
    model, remarks = causal_lm.load_model(loading)
    report.notes += remarks
    devices.sync()
    now = time.perf_counter()
    log.event("Init End", f"{now - begun!r} seconds")
    count = causal_lm.devices_of(model, settings.tensor_parallel)
    report.describe(task, devices, count, causal_lm.cost_of(loading), versions=environment.versions())
    report.times |= {"init_time": now - begun, "load_time": now - loaded}
    _tell(log, report.notes)
    told = len(report.notes)
    bench = _Bench(settings, devices, task, log)
    if "eager" in settings.engines:
        report.add(_eager(bench, model))
    if "inductor" in settings.engines:
        report.add(_inductor(bench, model, report))
    _tell(log, report.notes[told:])
    report.times["run_time"] = time.perf_counter() - begun
    log.finish(report.finish_info())
    report.end("completed")


def _tell(log: ContainerLog, notes: Sequence[str]) -> None:
    for note in notes:
        log.info(f"note: {note}")


def _used(devices: Accelerator, settings: Settings) -> Accelerator:
    """The devices that this process may touch: all with a map, its own with tensor parallelism, else the first."""
    if devices.module is None:
        return devices
    count = devices.module.device_count()
    if count < settings.tensor_parallel:
        raise InputError(f"--tensor-parallel {settings.tensor_parallel}: torch sees {count} devices")
    if settings.device_map:
        return dataclasses.replace(devices, indices=tuple(range(count)))
    rank = int(os.environ.get("LOCAL_RANK", "0")) if settings.tensor_parallel > 1 else 0
    devices.module.set_device(rank)
    return dataclasses.replace(devices, indices=(rank,))


def _use_tf32(settings: Settings) -> None:
    import torch

    torch.set_float32_matmul_precision("high" if settings.tf32 else "highest")


def _loading(settings: Settings, where: str) -> causal_lm.Loading:
    return causal_lm.Loading(
        settings.model,
        settings.precision,
        where,
        device_map=settings.device_map,
        tensor_parallel=settings.tensor_parallel,
        random_weights=settings.random_weights,
        seed=settings.seed,
        trust_remote_code=settings.trust_remote_code,
    )


def _task(settings: Settings, tokenizer: Any) -> Task:
    end = causal_lm.appended_tokens(tokenizer)

    def encode(text: str) -> list[int]:
        tokens = list(tokenizer(text, truncation=False)["input_ids"])
        return tokens[: len(tokens) - len(end)]

    tokenizer.model_max_length = 1 << 30  # lengths are ours to watch: no warning about what is cut anyway
    longest, limit = settings.max_length, settings.limit
    if settings.task == "mmlu":
        task = load_mmlu(settings.data, encode, few_shots=settings.few_shots, max_length=longest, limit=limit)
    else:
        task = load_lambada(settings.data, encode, max_length=longest, limit=limit)
    if end:
        what = "".join(tokenizer.convert_ids_to_tokens(end))
        task.notes.append(f"the tokenizer puts {what} behind every text: left out, since a prompt asks how it goes on")
    return task


# --------------------------------------------------------------------------- passes


@dataclass
class _Bench:
    settings: Settings
    devices: Accelerator
    task: Task
    log: ContainerLog
    batches: list[list[Example]] = field(init=False)

    def __post_init__(self) -> None:
        size, examples = self.settings.batch_size, self.task.examples
        self.batches = [examples[i : i + size] for i in range(0, len(examples), size)]

    def warm_up(self, model: Any) -> float:
        """Seconds of the first, the longest and the last batch: every size of batch and both ends of lengths."""
        longest = max(self.batches, key=lambda batch: max(len(e.tokens) for e in batch))
        begun = time.perf_counter()
        for batch in (self.batches[0], longest, self.batches[-1]):
            self.ask(model, batch)
        return time.perf_counter() - begun

    def ask(self, model: Any, batch: Sequence[Example]) -> tuple[torch.Tensor, float]:
        """Logits of a batch, and the seconds of the synchronised call alone."""
        ids = self._ids(batch)
        self.devices.sync()
        begun = time.perf_counter()
        logits = model(input_ids=ids, use_cache=False).logits
        self.devices.sync()
        return logits, time.perf_counter() - begun

    def _ids(self, batch: Sequence[Example]) -> torch.Tensor:
        """Padded at the end: what comes later changes nothing before it, so no mask is needed."""
        import torch

        longest = max(len(e.tokens) for e in batch)
        rows = [e.tokens + [0] * (longest - len(e.tokens)) for e in batch]
        return torch.tensor(rows, device=self.devices.place)

    def run(self, model: Any, name: str, stage: str) -> Pass:
        """All batches, as often as asked; memory peaks of this pass."""
        import torch

        score = Score()
        self.devices.forget_peaks()
        with torch.inference_mode():
            repeats = [self._once(model, score, repeat) for repeat in range(self.settings.repeats)]
        done = Pass(name, self.task.tokens, repeats, score, self.devices.memory())
        self.log.accuracy(self.task.label, score.accuracy)
        self.log.rates(stage, done.rate, done.core_rate)
        return done

    def _once(self, model: Any, score: Score, repeat: int) -> Repeat:
        core, before = 0.0, (score.correct, score.examples)
        begun = time.perf_counter()
        for step, batch in enumerate(self.batches):
            if step % _LOG_EVERY == 0:
                self.log.step(step, len(self.batches))
            logits, seconds = self.ask(model, batch)
            core += seconds
            score.add(self.task.name, logits, batch)
        whole = time.perf_counter() - begun
        right, asked = score.correct - before[0], score.examples - before[1]
        return Repeat(repeat + 1, whole, core, right / asked)


def _eager(bench: _Bench, model: Any) -> Pass:
    with _events(bench.log, "Model Forward"):
        _warm(bench, model)
        return bench.run(model, "validation", "Validation")


def _inductor(bench: _Bench, model: Any, report: Report) -> Pass:
    compiled = _compiled(bench, model, report)
    with _events(bench.log, "Vendor Inference"):
        before = _graphs()
        done = bench.run(compiled, "inference", "Inference")
        if _graphs() > before:
            report.note(f"{_graphs() - before} graphs were compiled during the measured pass: its rates are too low")
        return done


def _compiled(bench: _Bench, model: Any, report: Report) -> Any:
    """The compiled model, warm.  Compile time: the first warm-up less a second one, which has nothing to compile."""
    import torch

    bench.log.event("Vendor Compile Begin", "Compiling With torch.inductor")
    torch.compiler.reset()
    compiled = torch.compile(model, backend="inductor", dynamic=True)
    with torch.inference_mode():
        first = bench.warm_up(compiled)
        again = bench.warm_up(compiled)
    report.times["compile_time"] = first - again
    report.compiled = Measured(graphs=_graphs(), breaks=_breaks())
    if not report.compiled.graphs:
        raise LlmstatsError("torch.compile compiled nothing of this model: there is no inductor pass to measure")
    bench.log.event("Vendor Compile End", f"{report.times['compile_time']!r} seconds")
    return compiled


def _warm(bench: _Bench, model: Any) -> None:
    import torch

    with torch.inference_mode():
        bench.warm_up(model)


@contextmanager
def _events(log: ContainerLog, what: str) -> Iterator[None]:
    log.event(f"{what} Begin")
    yield
    log.event(f"{what} End")


def _graphs() -> int:
    from torch._dynamo.utils import counters

    return int(counters["stats"]["unique_graphs"])


def _breaks() -> int:
    from torch._dynamo.utils import counters

    return sum(counters["graph_break"].values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
