"""`llmstats run flagperf` and `run flagscale`: commands, what is missing, and programs that stand for the suites."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import llmstats

from .runnerkit import folder, run, told

pytestmark = pytest.mark.runners

# --------------------------------------------------------------------------- FlagScale

#: Prints what tasks/main.py prints on its last rank, and its arguments.
AQUILA = """\
import os, sys
if os.environ["RANK"] == "7":
    print("arguments", *sys.argv[1:], flush=True)
    print("> working on iteration: 0\\n" + "-" * 57)
    print(" validation results on AQUILA | avg loss: 3.0075E+00 | ")
    print("-" * 57 + "\\ndone :-)", flush=True)
"""
#: Stands for torch.distributed.run: eight ranks, one after the other.
LAUNCHER = """\
#!/bin/sh
echo "launched with $*"
while [ "$1" != tasks/main.py ]; do shift; done
for rank in 0 1 2 3 4 5 6 7; do RANK=$rank "{python}" "$@" || exit 1; done
"""


@pytest.fixture
def flagscale(tmp_path):
    """A checkout and a data directory as the case's README draws it."""
    (tmp_path / "FlagScale" / "tasks").mkdir(parents=True)
    (tmp_path / "FlagScale" / "tasks" / "main.py").write_text(AQUILA)
    for part in range(8):
        put(tmp_path / f"aquila/ckpts/iter_0135000/mp_rank_{part:02}/model_optim_rng.pt")
    put(tmp_path / "aquila/ckpts/latest_checkpointed_iteration.txt", "135000\n")
    put(tmp_path / "aquila/data/lambada_test_bak.jsonl", "{}\n")
    for name in ("merges.txt", "special_tokens.txt", "vocab.json"):
        put(tmp_path / "aquila/tokenizer" / name)
    put(tmp_path / "bin/python3", LAUNCHER.format(python=sys.executable)).chmod(0o755)
    return tmp_path


def put(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def aquila(root, *words):
    given = ["--flagscale", root / "FlagScale", "--data-dir", root / "aquila", "--work-dir", root / "w"]
    return run("flagscale", *given, "--python", root / "bin" / "python3", *words)


def test_the_command_of_aquila_s_evaluation(flagscale):
    result = run(
        "flagscale", "--flagscale", flagscale / "FlagScale", "--data-dir", flagscale / "aquila", "--dry-run",
        "--precision", "bf16", "--flash-attn",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    (command,) = [line for line in result.stdout.splitlines() if line.startswith("command")]
    data = flagscale / "aquila"
    assert command.split(maxsplit=1)[1] == (
        "CUDA_DEVICE_MAX_CONNECTIONS=1 OMP_NUM_THREADS=4 python3 -m torch.distributed.run --nproc_per_node=8"
        " --nnodes=1 --master_addr=localhost --master_port=6000 tasks/main.py --task AQUILA --eval-metric loss"
        f" --valid-data {data}/data/lambada_test_bak.jsonl --tokenizer-type AquilaTokenizer"
        f" --vocab-file {data}/tokenizer/vocab.json --merge-file {data}/tokenizer/merges.txt"
        f" --special-tokens-file {data}/tokenizer/special_tokens.txt --load {data}/ckpts"
        " --tensor-model-parallel-size 8 --pipeline-model-parallel-size 1 --num-layers 60 --hidden-size 6144"
        " --num-attention-heads 48 --group-query-attention --num-query-groups 8 --hidden-dim-multiplier 1.3"
        " --multiple-of 4096 --seq-length 4096 --max-position-embeddings 4096 --layernorm-epsilon 1e-5"
        " --layernorm-init-weight 0.3 --apply-layernorm-rms --use-rotary-position-embeddings"
        " --no-position-embedding --swiglu --untie-embeddings-and-output-weights --disable-bias-linear"
        " --make-vocab-size-divisible-by 64 --micro-batch-size 1 --no-load-optim --no-load-rng --log-interval 1"
        " --bf16 --use-flash-attn"
    )
    assert f"directory    {flagscale}/FlagScale" in result.stdout


def test_fp16_is_said_to_differ_from_the_script(flagscale):
    result = aquila(flagscale, "--dry-run")
    assert " --fp16" in result.stdout
    assert "FlagScale's own script passes --bf16" in result.stdout


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("rm ckpts/iter_0135000/mp_rank_03/model_optim_rng.pt",
         ["ckpts/iter_0135000/mp_rank_03/model_optim_rng.pt: part 4 of 8 of the weights"]),
        ("rm ckpts/latest_checkpointed_iteration.txt", ["ckpts/latest_checkpointed_iteration.txt: the number"]),
        ("put ckpts/latest_checkpointed_iteration.txt 90000",
         ["ckpts/iter_0090000/: latest_checkpointed_iteration.txt says 90000 (there is iter_0135000)"]),
        ("put ckpts/latest_checkpointed_iteration.txt ²",
         ["ckpts/iter_0000000/: latest_checkpointed_iteration.txt says ² (there is iter_0135000)"]),
        ("put ckpts/iter_0135000/mp_rank_08/x x", ["mp_rank_08 are more than that; cut it into 8"]),
        ("mv data/lambada_test_bak.jsonl data/lambada_test.jsonl",
         ["data/lambada_test_bak.jsonl: the texts (there is lambada_test.jsonl: rename or link it)"]),
        ("rm tokenizer/vocab.json tokenizer/merges.txt",
         ["tokenizer/merges.txt: of the open model", "tokenizer/vocab.json: of the open model"]),
    ],
)  # fmt: skip
def test_what_the_layout_lacks_is_listed(flagscale, change, says):
    what, first, *rest = change.split()
    path = flagscale / "aquila" / first
    if what == "mv":
        path.rename(flagscale / "aquila" / rest[0])
    elif what == "put":
        put(path, rest[0])
    else:
        for name in (first, *rest):
            (flagscale / "aquila" / name).unlink()
    result = aquila(flagscale)
    assert result.exit_code == 2
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 + len(says)
    assert all(expected in line for expected, line in zip(says, lines[1:], strict=True))
    assert not (flagscale / "w").exists()


def test_an_empty_directory_lacks_everything(flagscale, tmp_path):
    result = run("flagscale", "--flagscale", flagscale / "FlagScale", "--data-dir", tmp_path / "none")
    assert result.exit_code == 2
    for name in ("latest_checkpointed_iteration.txt", "mp_rank_00 … mp_rank_07", "lambada_test_bak", "vocab.json"):
        assert name in result.stderr
    other = run("flagscale", "--flagscale", tmp_path, "--data-dir", tmp_path)
    assert "no tasks/main.py" in other.stderr


def test_it_runs_and_its_loss_is_ingested(flagscale):
    db = str(flagscale / "x.duckdb")
    result = aquila(flagscale, "--ingest", "--db", db)
    assert result.exit_code == 0, result.output
    log = (folder(result) / "flagscale.log").read_text()
    assert "--eval-metric loss --valid-data" in log
    question = "SELECT r.framework, r.model, r.precision, r.parallelism, r.status, m.metric, m.value "
    rows = llmstats.open(db).query(f"{question} FROM measurements m JOIN runs r USING (run_id)").rows
    # the lines are Megatron-LM's, on which FlagScale is built: what a log shows stands
    assert rows == [("megatron-lm", "aquila-33b", "fp16", "tp8", "completed", "loss", 3.0075)]


def test_an_end_without_a_result_is_a_failure(flagscale):
    (flagscale / "FlagScale" / "tasks" / "main.py").write_text("print('> working on iteration: 0')\n")
    result = aquila(flagscale)
    assert result.exit_code == 1
    assert told(folder(result))["status"] == "failed"
    assert "without a result" in told(folder(result))["error"]


# --------------------------------------------------------------------------- FlagPerf

#: Stands for inference/run.py: reads host.yaml where FlagPerf does and writes what FlagPerf writes.
HOST = """\
import os, sys, yaml
here = os.path.abspath(os.path.dirname(__file__))
config = yaml.safe_load(open(os.path.join(here, "configs/host.yaml")))
sys.path.append(os.path.join(here, ".."))
import utils.cluster, docker_images
(case,) = config["CASES"]
results = config["FLAGPERF_PATH"] + "/" + config["FLAGPERF_LOG_PATH"]
folder = f"{results}/run20250301090100/{case}/{config['HOSTS'][0]}_noderank0"
os.makedirs(folder)
clock = "2025-03-01 09:10:0"
with open(folder + "/container.out.log", "w") as log:
    log.write(clock + "1.000 | Init Begin | __main__:main:26 - building dataloader and model\\n")
    if config["VENDOR"] == "nvidia":
        log.write(clock + "2.000 | INFO     | benchmarks.x:cal_perf:12 - Validation(pytorch) core Perf: 7979.6 tps\\n")
        log.write(clock + "3.000 | Finish Info | __main__:<module>:159 - {'vendor': 'nvidia', 'compiler': 'inductor', "
                  "'precision': 'fp16', 'batchsize': 1, 'e2e_time(second)': 2415.0, 'val_average_acc': 0.652}\\n")
print("host done")
"""
CASE = "llama3_8b_mmlu:pytorch_2.1"


@pytest.fixture
def flagperf(tmp_path):
    """A checkout with one case of two vendors, and its data."""
    inference = tmp_path / "FlagPerf" / "inference"
    put(inference / "run.py", HOST)
    put(tmp_path / "FlagPerf/utils/cluster.py")
    put(inference / "configs/host.yaml",
        f'FLAGPERF_PATH: "/old"\nFLAGPERF_LOG_PATH: "result"\nVENDOR: "nvidia"\nHOSTS: ["10.0.0.5"]\nSSH_PORT: "22"\n'
        f'CASES:\n    "resnet50:pytorch_1.13": "/x"\n    "{CASE}": "{tmp_path}/data"\n')  # fmt: skip
    put(inference / "configs/llama3_8b_mmlu/configurations.yaml",
        "batch_size: 1\nflops: 2*8e9\nfp16: true\ncompiler: inductor\nrepeat: 1\n")  # fmt: skip
    put(inference / "configs/llama3_8b_mmlu/parameters.yaml", "weight_dir: llama3_8b_hf\nmmlu_dir: mmlu_dataset/data\n")
    put(inference / "configs/llama3_8b_mmlu/vendor_config/iluvatar_configurations.yaml", "compiler: ixrt\nrepeat: 2\n")
    put(inference / "benchmarks/llama3_8b_mmlu/pytorch/forward.py")
    put(inference / "docker_images/__init__.py")
    for vendor, compiler in (("nvidia", "inductor"), ("iluvatar", "ixrt")):
        put(inference / f"docker_images/{vendor}/pytorch_2.1/Dockerfile")
        put(inference / f"docker_images/{vendor}/{vendor}_monitor.py")
        put(inference / f"docker_images/{vendor}/{vendor}_analysis.py")
        put(inference / f"inference_engine/{vendor}/{compiler}.py")
    put(tmp_path / "data/llama3_8b_hf/config.json", "{}")
    put(tmp_path / "data/mmlu_dataset/data/test/x_test.csv")
    return tmp_path


def llama(root, *words, case=CASE):
    given = ["--flagperf", root / "FlagPerf", "--python", sys.executable, "--work-dir", root / "w"]
    return run("flagperf", case, *given, *words)


def host_yaml(result):
    (line,) = [line for line in result.stdout.splitlines() if "host.yaml: {" in line]
    return json.loads(line.partition("host.yaml: ")[2])


def test_the_command_and_the_settings_of_a_case(flagperf):
    result = llama(flagperf, "--dry-run", "--host", "127.0.0.1", "--set", "SHM_SIZE=64G")
    assert result.exit_code == 0, result.output
    assert f"command      {sys.executable} inference/run.py" in result.stdout
    assert host_yaml(result) == {
        "FLAGPERF_PATH": f"{flagperf}/FlagPerf/inference",
        "FLAGPERF_LOG_PATH": "result",
        "VENDOR": "nvidia",
        "HOSTS": ["127.0.0.1"],
        "SSH_PORT": "22",
        "CASES": {CASE: f"{flagperf}/data"},
        "SHM_SIZE": "64G",
    }
    assert "docker_images/nvidia/nvidia_analysis.py, one chip per vendor" in result.stdout


def test_the_vendor_s_settings_count_over_the_common_ones(flagperf):
    result = llama(flagperf, "--dry-run", "--vendor", "iluvatar")
    assert '"compiler": "ixrt"' in result.stdout
    assert "repeat: 2: this case's rates will be too high by that factor" in result.stdout


@pytest.mark.parametrize(
    ("words", "case", "remove", "says"),
    [
        ([], "llama3_8b_mlu:pytorch_2.1", "", "needed"),
        (["--data-dir", "data"], "llama3_8b_mlu:pytorch_2.1", "", "did you mean 'llama3_8b_mmlu'"),
        ([], "llama3_8b_mmlu", "", "MODEL:FRAMEWORK_VERSION"),
        (["--vendor", "nvidea"], CASE, "", "did you mean 'nvidia'"),
        (["--data-dir", "data"], "llama3_8b_mmlu:paddle_2.5", "", "the case's program for paddle"),
        ([], CASE, "data/llama3_8b_hf/config.json", "the weights (weight_dir: llama3_8b_hf"),
        ([], CASE, "data/mmlu_dataset/data/test/x_test.csv", "the questions (mmlu_dir: mmlu_dataset/data"),
        ([], CASE, "FlagPerf/inference/inference_engine/nvidia/inductor.py", "compiler: inductor"),
        ([], CASE, "FlagPerf/inference/run.py", "is it a checkout of FlagPerf?"),
        (["--set", "x"], CASE, "", "KEY=VALUE"),
    ],
)
def test_what_a_case_lacks_is_said(flagperf, words, case, remove, says):
    if remove:
        (flagperf / remove).unlink()
    result = llama(flagperf, *words, case=case)
    assert result.exit_code == 2
    assert says in result.stderr
    assert not (flagperf / "w").exists()


def test_a_case_runs_and_its_checkout_stays_as_it_is(flagperf):
    before = (flagperf / "FlagPerf/inference/configs/host.yaml").read_text()
    db = str(flagperf / "x.duckdb")
    result = llama(flagperf, "--ingest", "--db", db)
    assert result.exit_code == 0, result.output
    assert (flagperf / "FlagPerf/inference/configs/host.yaml").read_text() == before
    assert "host done" in (folder(result) / "host_stdout.log").read_text()
    answer = llmstats.open(db).query("inference")
    (row,) = [dict(zip(answer.columns, r, strict=True)) for r in answer.rows]
    assert row["run_id"] == f"run20250301090100/{CASE}"
    assert (row["vendor"], row["model"], row["compiler"]) == ("NVIDIA", "llama3_8b_mmlu", "inductor")
    assert (row["validation_core"], row["unit"], row["status"]) == (7979.6, "token/s", "completed")
    assert told(folder(result))["facts"]["flagperf_run"] == [
        str(flagperf / "FlagPerf/inference/result/run20250301090100")
    ]


def test_a_case_without_finish_info_failed(flagperf):
    result = llama(flagperf, "--vendor", "iluvatar")
    assert result.exit_code == 2
    assert "no Finish Info; see " in result.stderr
    assert Path(result.stderr.rpartition("see ")[2].strip()).is_file()
    assert told(folder(result))["status"] == "failed"
