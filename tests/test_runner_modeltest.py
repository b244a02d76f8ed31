"""`llmstats run modeltest`: commands by golden files, refusals by the vendor's table, and scripts that really run.

``tests/golden/modeltest/MODEL.txt`` holds, for every row of the feature matrix, the command or the refusal of each
device, world size, precision and test.  ``LLMSTATS_GOLDEN=write`` writes them anew.
"""

import csv
import io
import json
import os
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

import llmstats
from llmstats.cli import main
from llmstats.errors import InputError
from llmstats.workloads import runner

GOLDEN = Path(__file__).with_name("golden") / "modeltest"
MODELTEST = runner("modeltest")

#: The vendor's table once more, typed from the README and not read from the project's data.
LAYERS = {"1.3B": 24, "6.7B": 32, "7B": 30, "33B": 62}
A2, DUO = "800I A2", "300I DUO"
WORLD_SIZES = {
    ("1.3B", A2): {1, 2, 4, 8}, ("6.7B", A2): {1, 2, 4, 8}, ("7B", A2): {1, 2, 4, 8}, ("33B", A2): {4, 8},
    ("1.3B", DUO): set(), ("6.7B", DUO): {2, 4}, ("7B", DUO): {2, 4}, ("33B", DUO): set(),
}  # fmt: skip
FP16_CROSSED = {"1.3B", "33B"}
TESTS = ("performance", "full_BoolQ", "dialogue")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    tuning = ("ATB_", "INF_NAN", "TASK_QUEUE", "ASCEND_", "MASTER_PORT", "LLM_PATH")
    for name in [n for n in os.environ if n.startswith(tuning)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ASCEND_HOME_PATH", "/usr/local/Ascend")
    monkeypatch.setenv("ATB_HOME_PATH", "/usr/local/Ascend/nnal")


@pytest.fixture
def repository(tmp_path):
    """The layout of MindIE-LLM's model repository, with scripts that set nothing themselves."""
    root = tmp_path / "atb_models"
    for script in ("tests/modeltest/run.sh", "examples/models/deepseek/run_pa.sh"):
        (root / script).parent.mkdir(parents=True)
        (root / script).write_text("exit 0\n")
    return root


def weights(folder, size="6.7B", dtype="float16", template="{{ messages }}", **config):
    """A directory of weights without weights."""
    folder.mkdir(exist_ok=True)
    facts = {"num_hidden_layers": LAYERS[size], "torch_dtype": dtype, "max_position_embeddings": 16384, **config}
    (folder / "config.json").write_text(json.dumps(facts))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template} if template else {}))
    return folder


def given(repository, folder, test="performance", **options):
    """All options with their defaults, as the command line hands them over."""
    words = [test, "--llm-path", str(repository), "--weights", str(folder), "--device", options.pop("device", A2)]
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        words += [flag] if value is True else [flag, str(value)]
    command = main.get_command(None, "run").get_command(None, "modeltest")
    found = command.make_context("modeltest", words).params
    return {k: v for k, v in found.items() if k not in ("work_dir", "name", "dry_run", "ingest", "db")}


def plan(repository, folder, test="performance", **options):
    return MODELTEST.plan(given(repository, folder, test, **options))


# --------------------------------------------------------------------------- golden files


def outcome(repository, folder, test, **options):
    """The command line and the warnings of a plan, or its refusal."""
    try:
        made = plan(repository, folder, test, **options)
    except InputError as why:
        return [f"refused: {why}"]
    assigned = " ".join(f"{k}={v}" for k, v in made.environment.items())
    return [f"cd {made.directory}", f"{assigned} {shlex.join(made.command)}", *(f"warning: {w}" for w in made.warnings)]


def every_case(repository, tmp_path, size):
    for device in (A2, DUO):
        for chips in (1, 2, 4, 8):
            for precision, dtype in (("fp16", "float16"), ("bf16", "bfloat16")):
                folder = weights(tmp_path / "weights", size, dtype)
                for test in TESTS:
                    yield f"## {device}, world size {chips}, {precision}, {test}"
                    yield from outcome(repository, folder, test, device=device, chips=chips, precision=precision)


@pytest.mark.parametrize("size", LAYERS)
def test_every_row_of_the_matrix_gives_the_golden_commands(repository, tmp_path, size):
    text = "\n".join(every_case(repository, tmp_path, size)) + "\n"
    text = text.replace(str(repository), "${llm_path}").replace(str(tmp_path / "weights"), "${weight_path}")
    golden = GOLDEN / f"DeepSeek-Coder-{size}.txt"
    if os.environ.get("LLMSTATS_GOLDEN") == "write":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("size", LAYERS)
def test_golden_files_refuse_what_the_vendors_table_excludes_and_nothing_else(size):
    blocks = (GOLDEN / f"DeepSeek-Coder-{size}.txt").read_text(encoding="utf-8").split("## ")[1:]
    assert len(blocks) == 2 * 4 * 2 * 3
    for block in blocks:
        device, chips, precision, _ = block.splitlines()[0].split(", ")
        allowed = int(chips.split()[-1]) in WORLD_SIZES[size, device] and not (precision == "bf16" and device == DUO)
        assert ("\nrefused: " in block) == (not allowed), block
        assert ("not refused" in block) == (allowed and precision == "fp16" and size in FP16_CROSSED), block


@pytest.mark.parametrize("size", LAYERS)
def test_the_commands_of_the_readme(repository, tmp_path, size):
    folder = weights(tmp_path / "w", size)
    speed = plan(repository, folder)
    assert shlex.join(speed.command).replace("'", "") == (
        f"bash run.sh pa_fp16 performance [[2048,2048],[1024,1024],[512,512],[256,256]] 1 deepseek_coder {folder} 8"
    )
    assert speed.directory == str(repository / "tests/modeltest")
    assert speed.environment == {
        "ASCEND_RT_VISIBLE_DEVICES": "0,1,2,3,4,5,6,7",
        "ATB_LLM_BENCHMARK_ENABLE": "1",
    }
    accuracy = plan(repository, folder, "full_BoolQ")
    assert shlex.join(accuracy.command) == f"bash run.sh pa_fp16 full_BoolQ 1 deepseek_coder {folder} 8"
    assert accuracy.environment == {"ASCEND_RT_VISIBLE_DEVICES": "0,1,2,3,4,5,6,7"}
    talk = plan(repository, folder, "dialogue", trust_remote_code=True)
    assert talk.command == [
        "bash", f"{repository}/examples/models/deepseek/run_pa.sh", str(folder), "-trust_remote_code"
    ]  # fmt: skip
    assert talk.directory == str(repository)
    assert talk.environment["MASTER_PORT"] == "20030"


# --------------------------------------------------------------------------- refusals and warnings


def refused(*words, **options):
    with pytest.raises(InputError) as why:
        plan(*words, **options)
    return str(why.value)


def test_a_refusal_cites_the_row(repository, tmp_path):
    folder = weights(tmp_path / "w", "33B")
    text = refused(repository, folder, device=DUO, chips=4)
    assert "DeepSeek-Coder-33B, 300I DUO tensor parallelism: no (schemas/modeltest/deepseek_coder.csv:5)" in text
    text = refused(repository, folder, chips=1)
    assert "DeepSeek-Coder-33B, 800I A2 tensor parallelism: 4 8 (schemas/modeltest/deepseek_coder.csv:5)" in text


@pytest.mark.parametrize(
    ("config", "feature"),
    [
        ({"quantize": "w8a8"}, "W8A8"),
        ({"quantize": "w8a16"}, "W8A16"),
        ({"quantize": "w8a8s"}, "Sparse quantisation"),
        ({"quantization_config": {"kv_quant_type": "C8"}}, "KV cache quantisation"),
    ],
)
def test_quantisations_of_the_weights_are_looked_up(repository, tmp_path, config, feature):
    device = DUO if config.get("quantize") == "w8a8s" else A2
    text = refused(repository, weights(tmp_path / "w", **config), device=device, chips=2)
    assert f"does not support {feature}" in text
    assert "deepseek_coder.csv:3" in text


def test_sparse_quantisation_exists_on_one_device(repository, tmp_path):
    text = refused(repository, weights(tmp_path / "w", quantize="w8a8s"))
    assert "Sparse quantisation exists on 300I DUO only, not on 800I A2" in text


def test_a_quantisation_that_no_column_speaks_of_is_a_warning(repository, tmp_path):
    made = plan(repository, weights(tmp_path / "w", quantize="w4a16"))
    assert any("says nothing of quantize 'w4a16'" in w for w in made.warnings)
    assert made.facts["precision"] == "fp16+w4a16"


def test_the_weights_must_be_what_the_test_runs_in(repository, tmp_path):
    folder = weights(tmp_path / "w", dtype="bfloat16")
    text = refused(repository, folder)
    assert f"{folder}/config.json says torch_dtype 'bfloat16'" in text
    assert "set it to 'float16'" in text
    assert "pa_bf16" in plan(repository, folder, precision="bf16").command
    assert "says quantize None" in refused(repository, folder, precision="bf16", quantize="w8a8")


def test_a_dialogue_needs_a_template(repository, tmp_path):
    folder = weights(tmp_path / "w", template=None)
    assert "tokenizer_config.json has no chat_template" in refused(repository, folder, "dialogue")
    assert plan(repository, folder).command


def test_which_model_the_weights_are(repository, tmp_path):
    strange = weights(tmp_path / "w", num_hidden_layers=31)
    assert "none of the family (1.3B: 24, 6.7B: 32, 7B: 30, 33B: 62); say which" in refused(repository, strange)
    assert plan(repository, strange, size="7b").facts["model"] == "DeepSeek-Coder-7B"
    assert "but" in refused(repository, weights(tmp_path / "v", "33B"), size="7B")
    assert "did you mean '33B'" in refused(repository, strange, size="3B")


def test_visible_chips(repository, tmp_path, monkeypatch):
    folder = weights(tmp_path / "w")
    text = refused(repository, folder, device=DUO, chips=2, visible="0")
    assert "world size 2 needs 2 visible chips" in text
    assert "at least two for one card" in text
    assert "each once" in refused(repository, folder, chips=2, visible="0,0")
    assert plan(repository, folder, chips=2, visible="2,3,4").environment["ASCEND_RT_VISIBLE_DEVICES"] == "2,3,4"
    assert plan(repository, folder, visible="4,5").command[-1] == "2"
    monkeypatch.setenv("ASCEND_RT_VISIBLE_DEVICES", "4,5,6,7")
    assert plan(repository, folder).command[-1] == "4"
    assert "runs on all 4 visible chips" in refused(repository, folder, "dialogue", chips=2)


def test_the_port_of_a_dialogue(repository, tmp_path, monkeypatch):
    folder = weights(tmp_path / "w")
    assert plan(repository, folder, "dialogue", master_port=20050).warnings == []
    (warning,) = plan(repository, folder, "dialogue", master_port=20051).warnings
    assert "20000-20050" in warning
    monkeypatch.setenv("MASTER_PORT", "20007")
    assert plan(repository, folder, "dialogue").environment["MASTER_PORT"] == "20007"


def test_tuning_of_the_user_stands(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("INF_NAN_MODE_ENABLE", "1")
    made = plan(repository, weights(tmp_path / "w"), "dialogue")
    assert "INF_NAN_MODE_ENABLE" not in made.environment
    assert made.environment["TASK_QUEUE_ENABLE"] == "1"
    assert any("INF_NAN_MODE_ENABLE=1" in note for note in made.notes)


def test_a_script_that_sets_chips_and_port_itself(repository, tmp_path):
    """As `run_pa.sh` of MindIE-LLM v3 does: what the environment says has no effect."""
    script = repository / "examples/models/deepseek/run_pa.sh"
    script.write_text(
        "export ASCEND_RT_VISIBLE_DEVICES=0,1,2,3\nexport MASTER_PORT=20031\n"
        'if [[ "$1" == "--trust_remote_code" ]]; then\n  shift\nfi\n'
    )
    folder = weights(tmp_path / "w")
    made = plan(repository, folder, "dialogue", trust_remote_code=True)
    assert made.command[2:] == ["--trust_remote_code", str(folder)]
    assert made.environment["ASCEND_RT_VISIBLE_DEVICES"] == "0,1,2,3"
    assert made.environment["MASTER_PORT"] == "20031"
    text = refused(repository, folder, "dialogue", visible="0,1")
    assert f"{script}:1 sets ASCEND_RT_VISIBLE_DEVICES=0,1,2,3 itself" in text
    assert f"{script}:2 sets MASTER_PORT=20031" in refused(repository, folder, "dialogue", master_port=20030)


def test_sizes(repository, tmp_path):
    folder = weights(tmp_path / "w")
    made = plan(repository, folder, cases="[[256, 256], [512, 512]]", batch_size="[[4,1],[2]]")
    assert made.command[4:6] == ["[[256,256],[512,512]]", "[[4,1],[2]]"]
    assert any("longest first" in w for w in made.warnings)
    assert "write pairs" in refused(repository, folder, cases="2048,2048")
    assert "write 1 or" in refused(repository, folder, batch_size="one")
    small = weights(tmp_path / "v", max_position_embeddings=2048)
    assert any("exceeds max_position_embeddings" in w for w in plan(repository, small).warnings)


def test_other_modes(repository, tmp_path):
    folder = weights(tmp_path / "w")
    most = plan(repository, folder, "performance_maxbs", cases="[[256,256]]", batch_range="[[1,64]]", time_limit=50)
    assert most.command[3:] == [
        "performance_maxbs",
        "[[256,256]]",
        "[[1,64]]",
        "50",
        "deepseek_coder",
        str(folder),
        "8",
    ]
    assert most.environment["ATB_LLM_BENCHMARK_ENABLE"] == "1"
    assert "one pair for each" in refused(repository, folder, "performance_maxbs", cases="[[256,256]]", time_limit=50)
    assert "--time-limit" in refused(repository, folder, "performance_maxbs", cases="[[2,2]]", batch_range="[[1,64]]")
    mmlu = plan(repository, folder, "full_MMLU", shots=0, trust_remote_code=True)
    assert mmlu.command[3:] == ["full_MMLU", "0", "1", "deepseek_coder", str(folder), "trust_remote_code", "8"]
    assert any("lists BoolQ for this family, not MMLU" in w for w in mmlu.warnings)


def test_what_is_missing_is_said(repository, tmp_path, monkeypatch):
    folder = weights(tmp_path / "w")
    assert "run.sh does not exist: --llm-path must name" in refused(tmp_path, folder)
    assert "no such directory" in refused(repository, tmp_path / "none")
    (folder / "config.json").write_text("{")
    assert "cannot be read" in refused(repository, folder)
    monkeypatch.delenv("ATB_HOME_PATH")
    assert any("ATB_HOME_PATH not set" in w for w in plan(repository, weights(tmp_path / "w")).warnings)
    assert "did you mean '800I A2'" in refused(repository, folder, device="800I")


def test_the_matrix_is_printed_in_the_ordinary_formats():
    result = CliRunner().invoke(main, ["run", "modeltest", "--matrix", "--format", "csv"])
    assert result.exit_code == 0
    rows = {row["model"].rpartition("-")[2]: row for row in csv.DictReader(io.StringIO(result.stdout))}
    assert set(rows) == set(LAYERS)
    for (size, device), sizes in WORLD_SIZES.items():
        cell = rows[size][f"{device} tensor parallelism"]
        assert {int(n) for n in cell.split()} == sizes if sizes else cell == "no"
    for size, row in rows.items():
        assert row["FP16"] == ("no" if size in FP16_CROSSED else "yes")
        assert row["BF16 (800I A2 only)"] == row["Flash Attention"] == row["Paged Attention"] == "yes"
        missing = ("W8A8", "W8A16", "KV cache quantisation", "Sparse quantisation (300I DUO only)", "MoE", "TGI")
        assert {row[title] for title in (*missing, "MindIE Service", "Long sequence")} == {"no"}


# --------------------------------------------------------------------------- scripts that run

#: What the real run.sh does on a machine with chips: talks, writes one table, and ends with 0 whatever happened.
SCRIPT = """\
echo "INFO: current model_type: pa"
folder=outputs/results/NPU/performance_test/performance/fp16/deepseek_coder_6.7b
mkdir -p $folder
echo "Model,Batchsize,In_seq,Out_seq,Total time(s),Prefill all time(ms),Prefill average time(ms)\
,Non-first token time(ms),Non-first token Throughput(Tokens/s),Throughput(Tokens/s)\
,Non-first token Throughput Average(Tokens/s)\
,E2E Throughput Average(Tokens/s)" > $folder/performance_pa_batch1_tp2_result.csv
echo "deepseek_coder_6.7b ,1 ,256 ,128 ,3.2 ,40.5 ,40.5 ,25 ,40 ,40 ,40 ,40" \
  >> $folder/performance_pa_batch1_tp2_result.csv
echo "chips $ASCEND_RT_VISIBLE_DEVICES, bench $ATB_LLM_BENCHMARK_ENABLE, arguments $*"
"""


def start(repository, tmp_path, *more):
    folder = weights(tmp_path / "w")
    words = ["performance", "--llm-path", str(repository), "--weights", str(folder), "--device", "800i a2"]
    words += ["--chips", "2", "--work-dir", str(tmp_path / "work_dirs"), *more]
    return CliRunner().invoke(main, ["run", "modeltest", *words])


def test_results_are_kept_and_ingested(repository, tmp_path):
    (repository / "tests/modeltest/run.sh").write_text(SCRIPT)
    old = repository / "tests/modeltest/outputs/results/NPU/old_result.csv"
    old.parent.mkdir(parents=True)
    old.write_text("of yesterday")
    os.utime(old, (1, 1))
    db = str(tmp_path / "s.duckdb")
    result = start(repository, tmp_path, "--ingest", "--db", db)
    assert result.exit_code == 0, result.output
    (job,) = (tmp_path / "work_dirs/deepseek_coder_6.7b").iterdir()
    assert "chips 0,1, bench 1, arguments pa_fp16 performance" in (job / "modeltest.log").read_text()
    told = json.loads((job / "run.json").read_text())
    assert told["status"] == "completed"
    assert told["facts"]["results"] == [
        "outputs/results/NPU/performance_test/performance/fp16/deepseek_coder_6.7b/performance_pa_batch1_tp2_result.csv"
    ]
    rows = llmstats.open(db).query("SELECT value FROM measurements WHERE metric = 'tpot'").rows
    assert [tuple(r) for r in rows] == [(0.025,)]


def test_a_failure_behind_exit_status_0_is_a_failure(repository, tmp_path):
    script = repository / "tests/modeltest/run.sh"
    script.write_text('echo "env ATB_HOME_PATH not exists, fail"\nexit 0\n')
    result = start(repository, tmp_path)
    assert result.exit_code == 1
    (job,) = (tmp_path / "work_dirs/deepseek_coder_6.7b").iterdir()
    told = json.loads((job / "run.json").read_text())
    assert told["status"] == "failed"
    assert told["error"] == "env ATB_HOME_PATH not exists, fail"
    script.write_text("exit 3\n")
    assert start(repository, tmp_path).exit_code == 3


CRASH = """\
echo "Traceback (most recent call last):"
echo '  File "model_test.py", line 3, in <module>'
echo "ModuleNotFoundError: No module named 'torch_npu'"
"""


def ended(repository, tmp_path, script, *more):
    """Exit code, status and error of a test whose script is this."""
    (repository / "tests/modeltest/run.sh").write_text(script)
    result = start(repository, tmp_path, "--name", f"n{len(list(tmp_path.glob('work_dirs/*')))}", *more)
    told = json.loads((Path(result.stdout.splitlines()[-1]) / "run.json").read_text())
    return result.exit_code, told["status"], told["error"]


def test_a_traceback_behind_exit_status_0_is_a_failure(repository, tmp_path):
    said = (1, "failed", "ModuleNotFoundError: No module named 'torch_npu'")
    assert ended(repository, tmp_path, CRASH) == said
    assert ended(repository, tmp_path, SCRIPT + CRASH) == said
    harmless = 'echo "Exception ignored in: <function P.__del__ at 0x7f>"\n' + CRASH
    assert ended(repository, tmp_path, SCRIPT + harmless) == (0, "completed", None)


def test_a_test_without_a_result_is_a_failure(repository, tmp_path):
    place = repository / "tests/modeltest"
    error = f"it ended without an error and without a result: nothing new below {place}"
    assert ended(repository, tmp_path, SCRIPT) == (0, "completed", None)
    assert ended(repository, tmp_path, "exit 0\n") == (1, "failed", error)  # that of before is not its result
    # the clock of the files may be another one's, and slow
    assert ended(repository, tmp_path, SCRIPT + "touch -d 2001-01-01 $folder/*\n") == (0, "completed", None)


def test_a_dialogue_leaves_no_file(repository, tmp_path):
    folder = weights(tmp_path / "w")
    words = ["dialogue", "--llm-path", str(repository), "--weights", str(folder), "--device", A2]
    result = CliRunner().invoke(main, ["run", "modeltest", *words, "--work-dir", str(tmp_path / "work_dirs")])
    assert result.exit_code == 0, result.output
    (repository / "examples/models/deepseek/run_pa.sh").write_text(CRASH)
    result = CliRunner().invoke(main, ["run", "modeltest", *words, "--work-dir", str(tmp_path / "work_dirs")])
    assert result.exit_code == 1
    assert "failed: ModuleNotFoundError" in result.stderr


def test_a_dry_run_starts_nothing(repository, tmp_path):
    result = start(repository, tmp_path, "--dry-run")
    assert result.exit_code == 0
    assert "bash run.sh pa_fp16 performance" in result.output
    assert not (tmp_path / "work_dirs").exists()
