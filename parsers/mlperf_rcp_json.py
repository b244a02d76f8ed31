"""MLPerf's reference convergence points, ``rcps_{benchmark}.json``: how long reference trainings took to converge.

Source: ``rcp_checker`` of mlcommons/logging (rounds 1.0 to 6.1): an object of records, each with ``Benchmark``, ``BS``
(global batch size), ``Hyperparams`` and the values of some ten repeats under ``Epochs to converge`` or ``samples to
converge``.  Several benchmarks keep samples under the first name, too: those that count no epochs in their logs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from llmstats.documents import Json
from llmstats.parsing import DocumentParser, Head, Place, Sample
from llmstats.records import Issue, Item, Measurement, Run

_EPOCHS, _SAMPLES = "Epochs to converge", "samples to converge"
#: Benchmarks whose values are epochs; those of all others are samples.
_IN_EPOCHS = frozenset(
    ("cosmoflow", "deepcam", "dlrm", "dlrm_dcnv2", "gnn", "maskrcnn", "oc20", "openfold", "resnet", "retinanet", "rgat",
     "rnnt", "ssd", "unet3d")
)  # fmt: skip

_TOY = {
    "Benchmark": "rgat",
    "Creator": "Acme",
    "When": "before the toy round",
    "Platform": "2xToy X1",
    "Precision": "BF16",
    "BS": 64,
    "Hyperparams": {"opt_base_learning_rate": 0.001},
    _EPOCHS: [0.85, 0.8],
}
_LORA = {k: v for k, v in _TOY.items() if k != _EPOCHS} | {"Benchmark": "toy_lora", _SAMPLES: [3072, 2688]}


class MlperfRcpJson(DocumentParser):
    """One run per record; its repeats are measurements that differ in the condition ``repeat``."""

    name = "mlperf_rcp_json"
    version = 1
    title = "MLPerf reference convergence points (rcps_{benchmark}.json)"
    writes = "MLPerf training (rcp_checker)"
    samples = (
        Sample(
            "training_9.9/rcps_rgat.json",
            json.dumps({"rgat_ref_64": _TOY}, indent=2) + "\n",
            matched=1,
            measurements={("epochs_to_converge", "value"): 0.85},
            runs={
                "training_9.9/rgat_ref_64": {
                    "kind": "training", "model": "rgat", "precision": "BF16",
                    "config": {"global_batch_size": 64, "opt_base_learning_rate": 0.001},
                }
            },
        ),
        Sample(
            "training_9.9/rcps_toy_lora.json",
            json.dumps({"toy_lora_ref_64": _LORA, "toy_lora_ref_128": {**_LORA, "BS": "many"}}),
            matched=1,
            measurements={("samples_to_converge", "value"): 3072.0},
            runs={"training_9.9/toy_lora_ref_64": {"model": "toy_lora"}},
            suspects=1,
        ),
    )  # fmt: skip

    def detect(self, head: Head) -> str | None:
        text = head.text
        told = all(f'"{key}"' in text for key in ("Benchmark", "BS", "Hyperparams")) and (
            f'"{_EPOCHS}"' in text or f'"{_SAMPLES}"' in text
        )
        return "records with Benchmark, BS, Hyperparams and values to converge" if told else None

    def parse(self, place: Place, text: str) -> Iterator[Item]:
        document = Json(text)
        records = document.value if isinstance(document.value, dict) else {}
        for name, record in records.items():
            values = _values(record)
            if values is None:
                yield Issue("no record of a reference convergence point", document.line(name), str(record)[:500])
                continue
            run = "/".join(part for part in (place.parent(), name) if part)
            yield _run(run, place, record)
            key = _SAMPLES if _SAMPLES in record else _EPOCHS
            metric = "epochs_to_converge" if record["Benchmark"] in _IN_EPOCHS else "samples_to_converge"
            line = document.line(name, key)
            for i, value in enumerate(values, 1):
                yield Measurement(
                    run, metric, float(value), raw_name=key, raw_value=str(value), conditions={"repeat": i}, line=line
                )


def _values(record: Any) -> list[float] | None:
    """The values of a record, or None where it is none."""
    if not isinstance(record, dict) or not isinstance(record.get("Benchmark"), str):
        return None
    values = record.get(_SAMPLES, record.get(_EPOCHS))
    numbers = [*values, record.get("BS")] if isinstance(values, list) and values else [None]
    good = all(isinstance(v, int | float) and not isinstance(v, bool) for v in numbers)
    return values if good and isinstance(values, list) else None


def _run(name: str, place: Place, record: dict[str, Any]) -> Run:
    parameters = record.get("Hyperparams")
    about = {key: record.get(raw) for key, raw in (("creator", "Creator"), ("when", "When"), ("platform", "Platform"))}
    return Run(
        name,
        place.path,
        kind="training",
        model=record["Benchmark"],
        precision=record.get("Precision") if isinstance(record.get("Precision"), str) else None,
        config={"global_batch_size": record["BS"], **(parameters if isinstance(parameters, dict) else {})},
        environment={"mlperf_reference": True, **{k: v for k, v in about.items() if v}},
    )
