"""What else lies around: a FlagPerf result page, ``vllm bench serve`` results, and a dump of a home-made tool."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from _chance import Chance

PAGE, VLLM, OWN = "flagperf_pages", "vllm_bench", "own_tool"
MODEL = "toy/Llama-3-8B-like"
CONCURRENCIES = (1, 8, 64)

_PAGE = """\
### 环境配置
- ##### 硬件环境
    - 机器型号: {server}
    - 加速卡型号: {chip}
- ##### 软件环境
   - OS版本：Ubuntu 22.04
   - 加速卡驱动版本：{driver}
   - 训练框架版本：{framework}

### 运行情况

| 指标名称 | 指标值 | 特殊说明 |
| ---- | ---- | ---- |
| 模型 | llama3_8B | |
| 数据精度 | precision,见“性能指标” | 可选fp32/amp/fp16/bf16/tf32 |
| 每卡每秒吞吐 | token/p/s,见“性能指标” | 平均单卡每秒处理的token数 |
| 显存占用 | mem(实际占用/总量)，见“性能指标” | 单位GiB |
| MFU | MFU,见“性能指标” | 参考PaLM论文 |

| 配置 | precision | parallel | fix_hp | token/p/s | 是否精度对齐 | mem | MFU |
| ---- | ---- | ---- | ---- | ---- | ---- | ---- | ---- |
"""
#: The map that README explains.
OWN_MAP = """\

# A dump of a tool that nobody knows: what its columns are.
[[map]]
files = "*.json"
format = "json"
rows = "results"
kind = "serving"
[map.columns]
model_name = "model"
clients = "concurrency"
"ttft.p50" = { metric = "ttft", statistic = "p50", unit = "ms", definition = "ttft@first_chunk" }
tok_s = "output_tokens_per_second"
"""


@dataclass(frozen=True)
class Site:
    """One machine; rates in tokens per second, memory in GiB."""

    folder: str
    vendor: str
    chip: str
    server: str
    driver: str
    framework: str
    rows: tuple[str, ...]
    rate: float  #: of one stream
    first: float  #: milliseconds before the first token
    seed: int


A100 = Site(
    "training/nvidia/llama3_8B-megatron",
    "nvidia",
    "NVIDIA A100-SXM4-80GB",
    "Toy Server A8",
    "550.54",
    "megatron-core 0.6.0",
    (
        "| A100单机8卡（1x8） | bf16 | TP2PP1DP4 | / | 2980 | True(作为基线) | 61.2/80 | 48.6% |",
        "| A100两机16卡（2x8） | bf16 | TP2PP1DP8 | GAS=8 | 2871 | / | 61.4/80 | 46.8% |",
    ),
    92.0,
    41.0,
    21,
)
ASCEND = Site(
    "training/ascend/llama3_8B-megatron",
    "ascend",
    "Ascend 910B",
    "Toy Server N8",
    "24.1",
    "mindspeed 1.0",
    ("| 910B单机8卡（1x8） | bf16 | TP4PP1DP2 | / | 2455 | True | 52.8/64 | 40.0% |",),
    71.0,
    58.0,
    22,
)


def write(root: Path, site: Site) -> None:
    """The page, three results of a sweep, and the dump."""
    page = root / PAGE / site.folder / "README.md"
    page.parent.mkdir(parents=True)
    facts = {"server": site.server, "chip": site.chip, "driver": site.driver, "framework": site.framework}
    page.write_text(_PAGE.format(**facts) + "\n".join(site.rows) + "\n", "utf-8")
    chance = Chance(site.seed)
    (root / VLLM).mkdir()
    for clients in CONCURRENCIES:
        name = f"vllm-infqps-concurrency{clients}-Llama-3-8B-like-20250305-1{clients:02}000.json"
        (root / VLLM / name).write_text(json.dumps(_vllm(site, clients, chance)), "utf-8")
    (root / OWN).mkdir()
    dump = {"tool": "own", "results": [_own(site, clients, chance) for clients in CONCURRENCIES]}
    (root / OWN / "night.json").write_text(json.dumps(dump, indent=1) + "\n", "utf-8")


def _rates(site: Site, clients: int, chance: Chance) -> tuple[float, float]:
    """Output tokens per second of the system, milliseconds to the first token."""
    stream = chance.around(site.rate, 0.01) / (1 + clients / 96)
    return round(stream * clients, 4), round(chance.around(site.first, 0.02) * (1 + clients / 24), 4)


def _vllm(site: Site, clients: int, chance: Chance) -> dict[str, object]:
    """256 requests of 1,024 tokens in and 256 out, as ``--save-result`` writes them."""
    rate, first = _rates(site, clients, chance)
    requests, tokens_in, tokens_out = 256, 1024, 256
    duration = round(requests * tokens_out / rate, 4)
    gap = round(1000 * clients / rate, 4)
    times = {"ttft": first, "tpot": gap, "itl": gap}
    spread = {"mean": 1.0, "median": 0.97, "std": 0.12, "p99": 1.55}
    return {
        "date": f"20250305-1{clients:02}000", "endpoint_type": "openai", "backend": "vllm", "label": None,
        "model_id": MODEL, "tokenizer_id": MODEL, "num_prompts": requests, "request_rate": "inf", "burstiness": 1.0,
        "max_concurrency": clients, "duration": duration, "completed": requests, "failed": 0,
        "total_input_tokens": requests * tokens_in, "total_output_tokens": requests * tokens_out,
        "request_throughput": round(requests / duration, 6), "request_goodput": None, "output_throughput": rate,
        "total_token_throughput": round(rate * (tokens_in + tokens_out) / tokens_out, 4),
        **{f"{word}_{name}_ms": round(value * k, 4) for name, value in times.items() for word, k in spread.items()},
    }  # fmt: skip


def _own(site: Site, clients: int, chance: Chance) -> dict[str, object]:
    rate, first = _rates(site, clients, chance)
    return {"model_name": MODEL, "clients": clients, "ttft": {"p50": first}, "tok_s": rate}
