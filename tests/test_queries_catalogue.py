"""`_run_device` and `_run_model`: names as logs write them against the catalogues."""

import json

import duckdb
import pytest

import llmstats
from llmstats.records import Run
from llmstats.store_schema import bring_up

from .store_deltas import Source, fresh_store


@pytest.fixture(scope="module")
def con():
    with duckdb.connect() as con:
        bring_up(con, ":memory:")
        yield con


def ask(con, macro, columns, **facts):
    """What the catalogue says of one run with these facts."""
    con.execute("DELETE FROM run_rows")
    names = ", ".join(["run_key", *facts])
    con.execute(f"INSERT INTO run_rows ({names}) VALUES ({', '.join(['?'] * (len(facts) + 1))})", [1, *facts.values()])
    ((*values,),) = con.execute(f"SELECT {', '.join(columns)} FROM {macro}()").fetchall()
    return values


@pytest.mark.parametrize(
    ("vendor", "device", "model", "how"),
    [
        ("NVIDIA", "NVIDIA_A100-SXM4-40GB", "A100-SXM4-40GB", "alias"),
        ("NVIDIA", "NVIDIA A100-SXM4-80GB", "A100-SXM4-80GB", "alias"),
        (None, "A100 80GB PCIe", "A100-PCIe-80GB", "normalised"),
        ("NVIDIA", "A100-40GiB-SXM", "A100-SXM4-40GB", "normalised"),
        ("NVIDIA", "A100_40_SXM", "A100-SXM4-40GB", "alias"),
        ("NVIDIA", "A100", "A100", "ambiguous"),
        ("nvidia", "a100 40g", "A100", "ambiguous"),
        (None, "8x NVIDIA H100 80GB HBM3", "H100-SXM5-80GB", "alias"),
        (None, "NVIDIA H100 80GB HBM3", "H100-SXM5-80GB", "alias"),
        (None, "NVIDIA H100 PCIe", "H100-PCIe-80GB", "normalised"),
        (None, "NVIDIA H100 NVL", "H100-NVL-94GB", "normalised"),
        (None, "h200", "H200-SXM-141GB", "alias"),
        (None, "Tesla V100-SXM2-32GB", "V100-SXM2-32GB", "alias"),
        (None, "NVIDIA A10", "A10", "alias"),
        (None, "NVIDIA A10G", "A10G", "alias"),
        (None, "NVIDIA L40S", "L40S", "alias"),
        (None, "NVIDIA GeForce RTX 4090", "GeForce RTX 4090", "alias"),
        (None, "AMD Instinct MI300X OAM", "Instinct MI300X", "normalised"),
        (None, "Ascend910B3", "Ascend 910B3", "alias"),
        ("Huawei", "910B4", "Ascend 910B4", "alias"),
        ("Ascend", "Ascend 910B", "Ascend 910B", "ambiguous"),
        ("Ascend", "昇腾910B3", "Ascend 910B3", "alias"),
        ("Cambricon", "MLU370-X8", "MLU370-X8", "alias"),
        ("Iluvatar", "BI150", "BI-V150", "alias"),
        ("Kunlunxin", "R300p", "Kunlunxin R300p", "alias"),
        ("MetaX", "曦云®C500 64G", "MXC500", "normalised"),
        ("MetaX", "MXC500", "MXC500", "alias"),
        ("Moore Threads", "MTT S4000 48GB", "MTT S4000", "normalised"),
        ("Hygon", "K100_AI", "K100_AI", "alias"),
        ("Hygon", "K100", "K100", "alias"),
        (None, "K100", "K100 | Kunlunxin K100", "ambiguous"),
        # nothing is matched by accident
        (None, "A1000", None, "unknown"),
        (None, "A100 64GB", None, "unknown"),
        (None, "H200 NVL", None, "unknown"),
        (None, "NVIDIA GeForce RTX 4090 Laptop GPU", None, "unknown"),
        (None, "NVIDIA GeForce RTX 4090 D", None, "unknown"),
        ("Cambricon", "MLU", None, "unknown"),
        ("Enflame", "T4", None, "unknown"),
        ("Somebody", "A100", None, "unknown"),
        (None, "", None, "unknown"),
        (None, None, None, None),
    ],
)
def test_devices_as_logs_name_them(con, vendor, device, model, how):
    assert ask(con, "_run_device", ["device", "how"], vendor=vendor, device=device) == [model, how]


def test_variants_answer_where_they_agree(con):
    columns = ["peak_bf16", "peak_int8", "memory", "memory_bandwidth", "len(variants)"]
    assert ask(con, "_run_device", columns, device="A100") == [312e12, 624e12, None, None, 4]
    assert ask(con, "_run_device", columns, device="A100 80GB") == [312e12, 624e12, 80 * 2**30, None, 2]
    assert ask(con, "_run_device", columns, device="H100") == [None, None, None, None, 3]
    assert ask(con, "_run_device", columns, device="H800") == [None, None, 80 * 2**30, None, 2]
    # of some variants of the 910B no figure has a source: the name alone says nothing
    assert ask(con, "_run_device", columns, device="910B") == [None, None, None, None, 5]
    assert ask(con, "_run_device", ["peak_bf16"], device="H800-SXM5-80GB") == [989e12]


def test_a_label_stands_before_the_catalogue(con):
    said = '{"peak_bf16": "256e12", "tdp": "not said"}'
    columns = ["how", "peak_bf16", "peak_fp16", "tdp"]
    assert ask(con, "_run_device", columns, device="Toy X1", labels=said) == ["unknown", 256e12, None, None]
    assert ask(con, "_run_device", columns, device="L4", labels=said) == ["alias", 256e12, 121e12, 72]


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("meta-llama/Meta-Llama-3-8B", "Llama-3-8B"),
        ("meta-llama/Meta-Llama-3-8B-Instruct", "Llama-3-8B"),
        ("llama3_8b_mmlu", "Llama-3-8B"),
        ("meta-llama/Llama-3.1-8B-Instruct", "Llama-3.1-8B"),
        ("llama31_8b", "Llama-3.1-8B"),
        ("nvidia/Llama-3.3-70B-Instruct-FP4", "Llama-3.3-70B"),
        ("meta-llama/Llama-3.1-405B-FP8", "Llama-3.1-405B"),
        ("/users/x/archive/Llama-2-7b-hf", "Llama-2-7B"),
        ("/models/Llama-2-70b-chat-hf/", "Llama-2-70B"),
        ("C:\\models\\Llama-2-13b", "Llama-2-13B"),
        ("llama2_70B", "Llama-2-70B"),
        ("meta/llama-2-13b-chat:f4e2de70d66816a838a8", "Llama-2-13B"),
        ("accounts/fireworks/models/llama-v2-7b-chat", "Llama-2-7B"),
        ("Qwen/Qwen2.5-7B", "Qwen2.5-7B"),
        ("Qwen2.5-7B-Instruct-AWQ", "Qwen2.5-7B"),
        ("qwen3 14B", "Qwen3-14B"),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", "Qwen3-30B-A3B"),
        ("DeepSeek-R1-0528-Qwen3-8B", "Qwen3-8B"),
        ("deepseek-ai/DeepSeek-V2-Lite-Chat", "DeepSeek-V2-Lite"),
        ("deepseek-llm-7b-base", "DeepSeek-LLM-7B"),
        ("mixtral_8x7B", "Mixtral-8x7B"),
        ("aquila33B", "Aquila2-34B"),
        ("bertLarge", "BERT-Large"),
        ("opt-125m-tp2", "OPT-125M"),
        # nothing is matched by accident
        ("Llama-27b", None),
        ("llama-2-7", None),
        ("Qwen2.5-VL-7B", None),
        ("Qwen2-57B", None),
        ("amd/Kimi-K2.7-Code-MXFP4", None),
        ("llava1.5_7b", None),
        ("deepseek", None),
        ("flan-t5-xl", None),
        ("", None),
    ],
)
def test_models_as_logs_name_them(con, name, model):
    assert ask(con, "_run_model", ["model", "how"], model=name) == [model, "alias" if model else "unknown"]


def test_models_of_one_name_answer_where_they_agree(con):
    columns = ["model", "how", "parameters", "vocabulary"]
    assert ask(con, "_run_model", columns, model="bert") == ["BERT-Base | BERT-Large", "ambiguous", None, 30522]


def test_active_parameters_are_all_of_them_in_a_dense_model(con):
    columns = ["parameters", "active_parameters"]
    assert ask(con, "_run_model", columns, model="llama2-7b") == [6738415616, 6738415616]
    assert ask(con, "_run_model", columns, model="Mixtral-8x7B") == [46702792704, 12879925248]
    assert ask(con, "_run_model", columns, model="x", labels='{"parameters": "3e9"}') == [3e9, 3e9]


def test_every_alias_leads_to_its_row(con):
    """Whatever stands in the catalogue is found, alone or among variants that share the name."""
    for kind, column, table in (("device", "model", "devices"), ("model", "name", "models")):
        rows = con.execute(f"SELECT {column}, unnest(string_split(aliases, '; ')) FROM {table}").fetchall()
        con.execute("DELETE FROM run_rows")
        named = [(i, alias) for i, (_, alias) in enumerate(rows)]
        con.executemany(f"INSERT INTO run_rows (run_key, {kind}) VALUES (?, ?)", named)
        found = dict(con.execute(f"SELECT run_key, how FROM _run_{kind}()").fetchall())
        assert [rows[i] for i, how in found.items() if how == "unknown"] == []


def test_one_row_for_every_run(tmp_path):
    store = fresh_store(tmp_path / "s.duckdb")
    for name, device in (("one", "A100"), ("two", None)):
        store.commit([Source(f"/w/{name}.log").replace(Run(name, f"/w/{name}", kind="training", device=device))])
    database = llmstats.open(str(tmp_path / "s.duckdb"))
    for macro in ("_run_device", "_run_model"):
        assert database.query(f"SELECT count(*), count(DISTINCT run_key) FROM {macro}()").rows == [(2, 2)]


MEGATRON = {
    "num_layers": 32, "hidden_size": 4096, "ffn_hidden_size": 14336, "num_attention_heads": 32, "kv_channels": 128,
    "group_query_attention": True, "num_query_groups": 8, "padded_vocab_size": 128256, "swiglu": True,
    "untie_embeddings_and_output_weights": True, "num_experts": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 8030261248),  # Llama 3 8B
        ({"padded_vocab_size": 32000, "num_experts": 8, "moe_router_topk": 2}, 12879925248),  # Mixtral 8x7B
        (  # Llama 2 7B, as Megatron-DeepSpeed writes it
            {
                "ffn_hidden_size": 11008, "group_query_attention": None, "num_query_groups": None,
                "num_key_value_heads": 32, "num_experts": "[1]", "padded_vocab_size": 32000,
            },
            6738415616,
        ),
        (  # GPT-2 XL: learned positions (1024 x 1600) are not counted
            {
                "num_layers": 48, "hidden_size": 1600, "ffn_hidden_size": 6400, "num_attention_heads": 25,
                "kv_channels": 64, "group_query_attention": False, "padded_vocab_size": 50257, "swiglu": False,
                "untie_embeddings_and_output_weights": False,
            },
            1557611200 - 1024 * 1600,
        ),
    ],
)  # fmt: skip
def test_the_network_of_megatrons_arguments(con, changes, count):
    config = json.dumps({k: v for k, v in (MEGATRON | changes).items() if v is not None})
    columns = ["active_parameters", "parameters_from", "layers", "attention_width"]
    found, origin, layers, width = ask(con, "_run_model", columns, model="llama2-70b", config=config)
    assert found == pytest.approx(count, rel=1e-3)
    assert (origin, layers) == ("configuration", (MEGATRON | changes)["num_layers"])
    assert width == (MEGATRON | changes)["num_attention_heads"] * (MEGATRON | changes)["kv_channels"]


@pytest.mark.parametrize(
    "changes",
    [
        {"padded_vocab_size": None},
        {"multi_latent_attention": True},
        {"num_experts": 8, "moe_router_topk": 2, "moe_layer_freq": "([0]*1+[1]*31)"},
    ],
)
def test_arguments_that_do_not_say_all_of_the_network(con, changes):
    config = json.dumps({k: v for k, v in (MEGATRON | changes).items() if v is not None})
    columns = ["active_parameters", "parameters_from"]
    assert ask(con, "_run_model", columns, config=config) == [None, None]
    assert ask(con, "_run_model", columns, config=config, model="llama2-7b") == [6738415616, "catalogue"]
    assert ask(con, "_run_model", columns, config=config, labels='{"parameters": "2e9"}') == [2e9, "label"]
