"""`llmstats run inference`: a tiny Llama with random weights really runs, eager and compiled."""

from __future__ import annotations

import ast
import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import llmstats
from llmstats.errors import InputError

from .runnerkit import folder, module, run, told
from .tiny_llama import make_tokenizer, save_model, write_lambada, write_mmlu

pytestmark = pytest.mark.runners

BATCH = 5


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture(scope="module")
def mmlu(tmp_path_factory):
    return write_mmlu(tmp_path_factory.mktemp("mmlu") / "data", questions=10)


@pytest.fixture(scope="module")
def lambada(tmp_path_factory):
    return write_lambada(tmp_path_factory.mktemp("lambada") / "lambada_test.jsonl")


@pytest.fixture(scope="module")
def compiler(tmp_path_factory):
    """One cache and one thread for all compilations here: the same kernels need not be built twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("inductor")))
        patch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def mmlu_run(model, mmlu, compiler, tmp_path_factory):
    """Both engines; ingested by the run itself."""
    work = tmp_path_factory.mktemp("work")
    result = run(
        "inference", "--model", model, "--data", mmlu, "--precision", "fp32", "--batch-size", BATCH, "--repeats", 2,
        "--work-dir", work / "work_dirs", "--ingest", "--db", work / "x.duckdb",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return folder(result), str(work / "x.duckdb")


@pytest.fixture(scope="module")
def lambada_run(model, lambada, compiler, tmp_path_factory):
    words = ["--model", model, "--data", lambada, "--task", "lambada", "--precision", "fp32", "--batch-size", 4]
    result = run("inference", *words, "--work-dir", tmp_path_factory.mktemp("work"))
    assert result.exit_code == 0, result.output
    return folder(result)


def eager(model, data, work, *words):
    """An eager pass alone."""
    return run("inference", "--model", model, "--data", data, "--engine", "eager", "--work-dir", work, *words)


def copied(model, where, change=None):
    """A copy of the model, with another config.json."""
    copy = where / "m"
    subprocess.run(["cp", "-r", model, copy], check=True)
    config = copy / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | (change or {})))
    return copy


def values(directory):
    """(metric, definition, subject) -> value of inference.json."""
    document = json.loads((directory / "inference.json").read_text())
    return {(v["metric"], v["definition"], v["subject"]): v["value"] for v in document["values"]}


def rows(path):
    return list(csv.reader(path.read_text().splitlines()))


def loaded(model):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(model).eval(), AutoTokenizer.from_pretrained(model)


# --------------------------------------------------------------------------- measured


def test_both_passes_answer_as_a_plain_loop_does(model, mmlu, mmlu_run):
    """Prompts written out here again, one by one through the model."""
    import torch

    network, tokenizer = loaded(model)
    right = right_of_four = asked = tokens = 0
    for subject in ("colours", "small_numbers"):
        shots = ""
        for *stem, answer in rows(mmlu / "dev" / f"{subject}_dev.csv"):
            shots += stem[0] + "".join(f"\n{x}. {c}" for x, c in zip("ABCD", stem[1:], strict=True))
            shots += f"\nAnswer: {answer}\n\n"
        head = f"The following are multiple choice questions (with answers) about  {subject.replace('_', ' ')}.\n\n"
        for *stem, answer in rows(mmlu / "test" / f"{subject}_test.csv"):
            choices = "".join(f"\n{x}. {c}" for x, c in zip("ABCD", stem[1:], strict=True))
            prompt = head + shots + stem[0] + choices + "\nAnswer:"
            letters = [tokenizer(f"{prompt} {x}")["input_ids"][-1] for x in "ABCD"]
            ids = tokenizer(f"{prompt} A")["input_ids"][:-1]
            with torch.no_grad():
                last = network(input_ids=torch.tensor([ids])).logits[0, -1]
            right += int(last.argmax()) == letters["ABCD".index(answer)]
            right_of_four += int(last[letters].argmax()) == "ABCD".index(answer)
            asked, tokens = asked + 1, tokens + len(ids)
    found = values(mmlu_run[0])
    assert 0 < right < asked
    for name in ("validation", "inference"):
        assert found["accuracy", "accuracy@mean_of_repeats", name] == right / asked
        assert found["accuracy_of_choices", "accuracy_of_choices@likeliest_letter", name] == right_of_four / asked
        assert found["input_tokens", None, name] == tokens
        whole = found[f"{name}_throughput", f"{name}_throughput@prompt_tokens", None]
        core = found[f"{name}_throughput_core", f"{name}_throughput_core@prompt_tokens", None]
        assert 0 < whole <= core
        assert core == pytest.approx(2 * tokens / found["core_time", None, name])
    assert found["compile_time", None, None] > 0
    assert found["run_time", None, None] > found["init_time", None, None] > found["load_time", None, None] > 0
    assert 0 < found["memory_used", "memory_used@process_peak", None] < found["memory_total", None, None]


def test_losses_of_lambada_are_the_model_s_own(model, lambada, lambada_run):
    import torch

    network, tokenizer = loaded(model)
    sums, counts, word_sums, right = [], [], [], 0
    texts = [json.loads(line)["text"].strip() for line in lambada.read_text().splitlines()]
    for text in texts:
        ids = torch.tensor([tokenizer(text)["input_ids"]])
        start = len(tokenizer(text.rsplit(" ", 1)[0])["input_ids"])
        labels = ids.clone()
        labels[:, :start] = -100
        with torch.no_grad():
            every, word = network(input_ids=ids, labels=ids), network(input_ids=ids, labels=labels)
        sums.append(float(every.loss) * (ids.shape[1] - 1))
        counts.append(ids.shape[1] - 1)
        word_sums.append(float(word.loss) * (ids.shape[1] - start))
        right += bool((every.logits[0, start - 1 : -1].argmax(-1) == ids[0, start:]).all())
    found = values(lambada_run)
    for name in ("validation", "inference"):
        loss = sum(sums) / sum(counts)
        assert found["loss", "loss@text_tokens", name] == pytest.approx(loss, rel=1e-4)
        assert found["perplexity", "perplexity@text_tokens", name] == pytest.approx(math.exp(loss), rel=1e-3)
        target = sum(word_sums) / len(texts)
        assert found["loss", "loss@target", f"{name}/last word"] == pytest.approx(target, rel=1e-4)
        assert found["accuracy", "accuracy@mean_of_repeats", name] == right / len(texts)


def test_the_log_is_flagperf_s(mmlu_run):
    """FlagPerf's host program takes the first line with the words, from the first brace on, as a literal."""
    lines = (mmlu_run[0] / "container.out.log").read_text().splitlines()
    line = next(line for line in lines if "Finish Info" in line)
    info = ast.literal_eval("{" + line.split("{")[1])
    assert list(info)[:12] == [
        "vendor", "compiler", "precision", "batchsize", "flops", "e2e_time(second)", "p_validation_whole(qps)",
        "p_validation_core(qps)", "p_inference_whole(qps)", "*p_inference_core(qps)", "val_average_acc",
        "infer_average_acc",
    ]  # fmt: skip
    found = values(mmlu_run[0])
    core = found["inference_throughput_core", "inference_throughput_core@prompt_tokens", None]
    assert info["*p_inference_core(qps)"] == round(core, 3)
    assert (info["compiler"], info["precision"], info["batchsize"]) == ("inductor", "fp32", BATCH)
    assert info["val_average_acc"] == round(found["accuracy", "accuracy@mean_of_repeats", "validation"], 3)
    parameters = json.loads((mmlu_run[0] / "inference.json").read_text())["facts"]["parameters"]
    assert info["flops"] == pytest.approx(2 * parameters * core)
    levels = [line.split(" | ")[1].strip() for line in lines]
    events = ["Init Begin", "Init End", "Model Forward Begin", "Model Forward End", "Vendor Compile Begin",
              "Vendor Compile End", "Vendor Inference Begin", "Vendor Inference End", "Finish Info"]  # fmt: skip
    assert [level for level in levels if level in events] == events


def test_ingested_it_is_one_run_that_answers(mmlu_run):
    directory, path = mmlu_run
    db = llmstats.open(path)
    answer = db.query("inference")
    (row,) = [dict(zip(answer.columns, r, strict=True)) for r in answer.rows]
    found = values(directory)
    assert row["run_id"] == f"tiny-llama_mmlu/{directory.name}"
    assert (row["model"], row["framework"], row["compiler"]) == ("tiny-llama", "transformers", "inductor")
    assert (row["precision"], row["batch_size"], row["status"]) == ("fp32", BATCH, "completed")
    assert row["inference_core"] == found["inference_throughput_core", "inference_throughput_core@prompt_tokens", None]
    assert row["validation_whole"] == found["validation_throughput", "validation_throughput@prompt_tokens", None]
    assert row["unit"] == "token/s"
    assert row["accuracy_inference"] == row["accuracy_validation"] > 0
    assert row["memory_used"] == found["memory_used", "memory_used@process_peak", None] / 2**30
    assert row["mfu"] is None
    one_row_each = "SELECT count(*), count(DISTINCT (metric, subject, statistic, definition)) FROM measurements"
    ((count, different),) = db.query(one_row_each).rows
    assert count == different > 20
    per_repeat = "SELECT count(*), count(DISTINCT step) FROM points WHERE metric = 'inference_throughput_core'"
    assert db.query(per_repeat).rows == [(2, 2)]
    facts = "SELECT device_count, dataset, environment->>'runner', config->>'few_shots' FROM runs"
    assert db.query(facts).rows == [(1, "mmlu", "inference", "5")]
    assert [v.good for v in db.verify()] == [True] * 3


def test_run_json_tells_what_ran_on_what(mmlu_run):
    document = told(mmlu_run[0])
    assert document["status"] == "completed"
    assert document["facts"]["device"] == document["environment"]["cpu"]
    assert document["facts"]["versions"]["torch"]
    assert any("not in the device catalogue" in note for note in document["notes"])
    assert "llmstats.runners._measure" in document["command"]


# --------------------------------------------------------------------------- ways to run


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        (["--precision", "bf16", "--device-map", "auto"], {"parallelism": "device_map=auto", "precision": "bf16"}),
        (["--precision", "fp16", "--random-weights", "--seed", "3", "--limit", "3"], {"questions": 3, "seed": 3}),
    ],
)
def test_other_ways_to_run(model, mmlu, tmp_path, words, facts):
    result = eager(model, mmlu, tmp_path, *words)
    assert result.exit_code == 0, result.output
    document = told(folder(result))
    assert {k: document["facts"][k] for k in facts} == facts
    found = values(folder(result))
    assert found["validation_throughput_core", "validation_throughput_core@prompt_tokens", None] > 0
    assert ("accuracy", "accuracy@mean_of_repeats", "inference") not in found


def test_split_over_processes_it_answers_the_same(model, mmlu, mmlu_run, tmp_path):
    result = eager(model, mmlu, tmp_path, "--precision", "fp32", "--tensor-parallel", "2", "--batch-size", "3")
    assert result.exit_code == 0, result.output
    facts = told(folder(result))["facts"]
    assert (facts["parallelism"], facts["device_count"]) == ("TP2", 2)
    key = ("accuracy_of_choices", "accuracy_of_choices@likeliest_letter", "validation")
    assert values(folder(result))[key] == values(mmlu_run[0])[key]


def test_a_dry_run_starts_nothing(model, mmlu, tmp_path):
    result = eager(model, mmlu, tmp_path / "w", "--dry-run", "--tensor-parallel", "8", "--max-length", "4096")
    assert result.exit_code == 0
    assert "torch.distributed.run --standalone --nproc-per-node=8 -m llmstats.runners._measure" in result.stdout
    assert "prompts are cut to the model's context of 512 tokens, not 4096" in result.stdout
    assert not (tmp_path / "w").exists()


def test_a_tokenizer_s_end_token_is_no_part_of_a_text(model, lambada, lambada_run, tmp_path):
    """The same weights, and a tokenizer that ends every text: the losses are those without."""
    copy = copied(model, tmp_path)
    make_tokenizer("<s> $A </s>").save_pretrained(copy)
    result = eager(copy, lambada, tmp_path / "w", "--task", "lambada", "--precision", "fp32", "--batch-size", 4)
    assert result.exit_code == 0, result.output
    plain, found = values(lambada_run), values(folder(result))
    for key in (k for k in plain if k[0] in ("loss", "perplexity", "accuracy", "input_tokens")):
        if key[2].startswith("validation"):
            assert found[key] == pytest.approx(plain[key], rel=1e-6)
    assert any("puts </s> behind every text" in note for note in told(folder(result))["notes"])


@pytest.mark.parametrize(
    ("template", "end"), [("<s> $A", []), ("$A", []), ("<s> $A </s>", [1]), ("$A </s> <s>", [1, 0])]
)
def test_what_a_tokenizer_puts_behind_a_text(template, end):
    assert module("_causal_lm").appended_tokens(make_tokenizer(template)) == end


def test_answers_that_are_not_finite_are_counted(model, lambada, tmp_path):
    """A model of NaN: it answers nothing, and the file is still JSON."""
    from safetensors.torch import load_file, save_file

    copy = copied(model, tmp_path)
    weights = load_file(copy / "model.safetensors")
    save_file({k: v * math.nan for k, v in weights.items()}, copy / "model.safetensors", {"format": "pt"})
    result = eager(copy, lambada, tmp_path / "w", "--task", "lambada", "--repeats", "2")
    assert result.exit_code == 0, result.output
    text = (folder(result) / "inference.json").read_text()
    document = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    found = values(folder(result))
    assert found["accuracy", "accuracy@mean_of_repeats", "validation"] == 0
    for metric in ("loss", "perplexity"):
        assert found[metric, f"{metric}@text_tokens", "validation"] is None
        assert found[metric, f"{metric}@target", "validation/last word"] is None
    note = "validation: 16 of 16 answers are not finite, and count as wrong"
    assert note in document["notes"]
    assert note in told(folder(result))["notes"]
    assert f"note: {note}\n" in (folder(result) / "container.out.log").read_text()


# --------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("change", "words", "says"),
    [
        ("rm config.json", [], "no config.json in it"),
        ("rm model.safetensors", [], "no weights"),
        ("rm tokenizer.json tokenizer_config.json", [], "no tokenizer"),
        ({"auto_map": {"AutoModel": "x.Y"}}, [], "--trust-remote-code"),
        ([1, 2], [], "config.json: a JSON object is needed, not [1, 2]"),
        ("", ["--model", "nowhere"], "no such directory"),
        ("", ["--data", "nowhere"], "no test/*_test.csv"),
        ("", ["--task", "lambada"], "no such file"),
        ("", ["--tf32"], "--precision is bf16"),
        ("", ["--device-map", "auto", "--tensor-parallel", "2"], "one of the two"),
        ("", ["--random-weights", "--device-map", "auto"], "nothing is loaded"),
    ],
)
def test_what_cannot_work_is_said_before_anything_starts(model, mmlu, tmp_path, change, words, says):
    copy = copied(model, tmp_path, *([change] if isinstance(change, dict) else []))
    if isinstance(change, list):
        (copy / "config.json").write_text(json.dumps(change))
    elif isinstance(change, str):
        for name in change.split()[1:]:
            (copy / name).unlink()
    result = eager(copy, mmlu, tmp_path / "w", *words)
    assert result.exit_code == 2
    assert says in result.stderr
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"num_hidden_layers": 4}, "18 weights of config.json missing: model.layers.2.input_layernorm.weight; "),
        ({"attention_bias": True}, "8 weights of config.json missing: model.layers.0.self_attn.k_proj.bias; "),
        ({"intermediate_size": 96}, "6 weights not of config.json's shape: model.layers.0.mlp.down_proj.weight has "
         "(64, 128), not (64, 96); "),
    ],
)  # fmt: skip
def test_weights_that_are_not_config_json_s_are_refused(model, tmp_path, change, says):
    causal_lm = module("_causal_lm")
    with pytest.raises(InputError) as refused:
        causal_lm.load_model(causal_lm.Loading(str(copied(model, tmp_path, change)), "fp32", "cpu"))
    assert says in str(refused.value)
    assert str(refused.value).endswith("; …")


def test_one_table_for_both_ends_is_not_missing(tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    shape = {"n_embd": 32, "n_layer": 1, "n_head": 2, "vocab_size": 90, "bos_token_id": 0, "eos_token_id": 1}
    GPT2LMHeadModel(GPT2Config(**shape)).save_pretrained(tmp_path)
    causal_lm = module("_causal_lm")
    assert causal_lm.load_model(causal_lm.Loading(str(tmp_path), "fp32", "cpu"))[1] == []


def test_weights_without_a_place_are_remarked(model, mmlu, tmp_path):
    result = eager(copied(model, tmp_path, {"num_hidden_layers": 1}), mmlu, tmp_path / "w", "--limit", "2")
    assert result.exit_code == 0, result.output
    left_out = "9 weights are left out, config.json has no place for them: model.layers.1.input_layernorm.weight; "
    assert any(note.startswith(left_out) for note in told(folder(result))["notes"])


def test_a_failure_on_the_way_is_written_down(model, tmp_path):
    data = write_mmlu(tmp_path / "data")
    (data / "test" / "colours_test.csv").write_text("no,choices,Q\n")
    result = eager(model, data, tmp_path / "w")
    assert result.exit_code == 2
    assert "row 1: question, choices and the right letter are needed" in result.stderr
    assert "Traceback" not in result.output
    document = told(folder(result))
    assert (document["status"], "row 1" in document["error"]) == ("failed", True)
    assert json.loads((folder(result) / "inference.json").read_text())["status"] == "failed"


@pytest.mark.parametrize("how", ["Ctrl-C", "the measuring process is killed"])
def test_cut_short_it_leaves_what_was_measured(model, mmlu, tmp_path, how):
    words = ["run", "inference", "--model", model, "--data", mmlu, "--engine", "eager", "--repeats", "1000000"]
    command = [sys.executable, "-m", "llmstats", *words, "--work-dir", tmp_path / "w"]
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    directory = Path(process.stdout.readline().strip())
    log = directory / "container.out.log"
    while not log.exists() or "Step: 0" not in log.read_text():
        assert process.poll() is None
        time.sleep(0.1)
    if how == "Ctrl-C":
        process.send_signal(signal.SIGINT)
    else:
        os.kill(child_of(process.pid), signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    status, code = ("interrupted", 130) if how == "Ctrl-C" else ("failed", 2)
    assert (told(directory)["status"], process.returncode) == (status, code)
    assert log.read_text().endswith("\n")
    assert ("interrupted by a signal" in log.read_text()) == (how == "Ctrl-C")
    db = str(tmp_path / "x.duckdb")
    llmstats.open(db).ingest(str(directory))
    found = llmstats.open(db).query("SELECT run_id, status, kind FROM runs").rows
    assert found == [(f"tiny-llama_mmlu/{directory.name}", status, "inference")]


def child_of(pid):
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("LlamaConfig", {"num_key_value_heads": 2}),
        ("GPT2Config", {"tie_word_embeddings": True}),  # learned positions, biases, one table for both ends
        ("Qwen3Config", {"num_key_value_heads": 2, "head_dim": 32}),
    ],
)
def test_a_cost_is_what_torch_counts(tmp_path, kind, more):
    """Matrix products as torch's own counter sees them; its attention is not causal, so that part is left out."""
    import torch
    import transformers
    from torch.utils.flop_counter import FlopCounterMode

    shape = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 300}
    tokens = {"bos_token_id": 0, "eos_token_id": 1}
    config = getattr(transformers, kind)(intermediate_size=96, **shape, **tokens, **more)
    config.save_pretrained(tmp_path)
    causal_lm = module("_causal_lm")
    cost = causal_lm.cost_of(causal_lm.Loading(str(tmp_path), "fp32", "cpu"))
    network = transformers.AutoModelForCausalLM.from_config(config).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(input_ids=torch.ones((1, 40), dtype=torch.long), use_cache=False)
    counted = counter.get_flop_counts()["Global"]
    products = sum(n for op, n in counted.items() if "mm" in str(op) and "bmm" not in str(op))
    assert 2 * cost.matmul_parameters * 40 == products
    attention = cost.of([40]) - products
    assert attention == 2 * sum(2 * 2 * t * 4 * more.get("head_dim", 16) for t in range(1, 41))
    assert cost.parameters == sum(p.numel() for p in network.parameters())


def test_a_mixture_of_experts_has_no_cost(tmp_path):
    from transformers import MixtralConfig

    MixtralConfig(hidden_size=64, num_hidden_layers=2, num_attention_heads=4).save_pretrained(tmp_path)
    causal_lm = module("_causal_lm")
    assert "mixture of experts" in causal_lm.cost_of(causal_lm.Loading(str(tmp_path), "fp32", "cpu"))


def test_mfu_is_over_the_catalogue_s_peak(tmp_path):
    """What a run on two A100s would report, from times set by hand: the numbers reach the query."""
    report_of = module("_inference_report")
    tasks, peaks, flagperf = module("_tasks"), module("_peaks"), module("_flagperf_log")
    cost = module("_causal_lm").Cost(parameters=8 * 10**9, matmul_parameters=7 * 10**9, layers=32, width=4096)
    examples = [tasks.Example([0] * n, "colours", choices=(1, 2)) for n in (1000, 500)]
    score = tasks.Score(examples=2, correct=1)
    score.subjects["colours"] = [1, 1]
    memory = [{"used": 40 << 30, "total": 80 << 30, "allocated_peak": 30 << 30, "reserved_peak": 35 << 30}]
    job = tmp_path / "llama3-8b_mmlu" / "20250301_080000"
    job.mkdir(parents=True)
    settings = {"model_name": "llama3-8b", "task": "mmlu", "precision": "bf16", "batch_size": 1, "engines": ["eager"]}
    report = report_of.Report(str(job), settings, times={"run_time": 30.0})
    report.task, report.cost = tasks.Task("mmlu", "MMLU5-shots", examples), cost
    report.peak = peaks.peak_of("NVIDIA A100-SXM4-80GB", 80 << 30, "bf16")
    report.facts = {"vendor": report.peak.vendor, "device": "NVIDIA A100-SXM4-80GB", "device_count": 2}
    repeats = [report_of.Repeat(1, 0.5, 0.2, 0.5), report_of.Repeat(2, 0.6, 0.3, 0.5)]
    report.add(report_of.Pass("validation", 1500, repeats, score, memory))
    with (job / "container.out.log").open("w") as file:
        log = flagperf.ContainerLog(file, None)
        log.event("Model Forward Begin")
        log.rates("Validation", report.passes[0].rate, report.passes[0].core_rate)
        log.finish(report.finish_info())
    report.end("completed")
    flop = 2 * 7e9 * 1500 + 2 * 32 * 4096 * (1000 * 1001 + 500 * 501)
    mfu = 2 * flop / 0.5 / (2 * 312e12)
    db = llmstats.open(str(tmp_path / "x.duckdb"))
    db.ingest(str(job))
    answer = db.query("inference")
    (row,) = [dict(zip(answer.columns, r, strict=True)) for r in answer.rows]
    assert row["mfu"] == pytest.approx(mfu, rel=1e-12)
    assert row["mfu_definition"] == "mfu@catalogue_peak"
    assert row["validation_core"] == 2 * 1500 / 0.5
    assert row["validation_whole"] == pytest.approx(2 * 1500 / 1.1)
    assert row["flops"] == pytest.approx(2 * 8e9 * row["validation_core"])
    results = db.query("SELECT accuracy, accuracy_of FROM results()").rows
    assert results == [(0.5, "validation")]  # not that of one of its subjects
    assert (row["vendor"], row["inference_core"], row["memory_used"], row["memory_total"]) == ("NVIDIA", None, 40, 80)
