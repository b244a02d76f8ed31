"""Draw every picture of the catalogue once, from the examples: docs/pictures/NAME.png, and the page that shows them.

python docs/pictures.py            run the commands and write the pictures and docs/pictures.md
python docs/pictures.py --check    only say what is stale; exit code 1 if anything is

The files are what the commands write, with fewer colours to keep them small.  Two machines may place a few pixels
differently; that alone makes none stale.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from PIL import Image, ImageChops

from llmstats.plots import pictures

DOCS = Path(__file__).parent
EXAMPLES = DOCS.parent / "examples"
COLOURS = 96
#: A pixel differs when its grey differs by more; a picture is stale when more of its pixels than this share differ.
NOTICED, SHARE = 64, 0.0002

INGEST = (
    "llmstats ingest examples/work_dirs",
    "llmstats ingest examples/ranks --db ranks.duckdb",
    "llmstats ingest nightly --db nightly.duckdb",
)
#: What follows the name of a picture.
ARGUMENTS = {
    "parity": "--reference deepseek_v2_lite_alpaca_a100",
    "slo": "--ttft 0.5 --tpot 0.05",
    "stragglers": "--db ranks.duckdb",
    "trend": "--metric tokens_per_second_per_device --db nightly.duckdb",
}

_PAGE = """\
# Pictures

Every picture of `llmstats plot`, with the command that drew it. `make docs` writes this page (docs/pictures.py).
All values are invented (see examples/README.md); no real device was measured. `-o` takes a `.png`, `.svg` or `.pdf`.

    {ingest}

`nightly/` holds thirty logs of one training, one per night; from the nineteenth on it has another PyTorch and is 7 %
slower. docs/pictures.py composes them.

Colours are those of Okabe and Ito; what they tell apart is told apart by marks, dashes or hatches too, so that a
picture can be printed in grey. Chinese names need a font that has them: one of the system is found by itself, and
`pip install 'llmstats[chinese]'` brings one (WenQuanYi Micro Hei, Apache 2.0, 2.3 MB). Without either the picture
says which characters are missing.
"""


def command(name: str) -> str:
    """The command that draws a picture."""
    return " ".join(filter(None, ["llmstats plot", name, ARGUMENTS.get(name), f"-o {name}.png"]))


def page() -> str:
    """docs/pictures.md."""
    parts = [_PAGE.format(ingest="\n    ".join(INGEST))]
    for name, picture in pictures().items():
        parts.append(
            f"## {name}\n\n{picture.title}.\n\n    {command(name)}\n\n![{picture.title}](pictures/{name}.png)\n"
        )
    return "\n".join(parts)


def draw(home: Path) -> dict[str, bytes]:
    """The PNG of each picture, drawn by its command in the empty folder ``home``."""
    for folder in ("work_dirs", "ranks"):
        shutil.copytree(EXAMPLES / folder, home / "examples" / folder)
    _nightly(home / "nightly")
    for words in (*INGEST, *map(command, pictures())):
        _run(words, home)
    return {name: _smaller(home / f"{name}.png") for name in pictures()}


def _run(words: str, home: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "LLMSTATS_DB"}
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(words)],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{words}\n{done.stderr}")


def _smaller(path: Path) -> bytes:
    buffer = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _nightly(folder: Path) -> None:
    """A short training every night, as XTuner 0.x logs it; its software changes before the nineteenth."""
    chance = random.Random(19)
    for night in range(30):
        start = datetime(2025, 3, 1, 2) + timedelta(days=night)
        stamp = f"{start:%Y%m%d_%H%M%S}"
        log = folder / "toy_7b" / stamp / f"{stamp}.log"
        log.parent.mkdir(parents=True)
        pace = (16.2, 17.5)[night >= 18] * chance.gauss(1, 0.004)
        lines = [_step(start, step, pace + chance.gauss(0, 0.1)) for step in range(10, 401, 10)]
        log.write_text(_HEADER.format(clock=_clock(start), torch=("2.4.0", "2.5.1")[night >= 18]) + "".join(lines))


_HEADER = """\
{clock} - mmengine - INFO -
------------------------------------------------------------
System environment:
    sys.platform: linux
    Python: 3.10.14
    CUDA available: True
    numpy_random_seed: 2025
    GPU 0,1,2,3,4,5,6,7: Example Accelerator 64GB
    PyTorch: {torch}
    MMEngine: 0.10.5

Runtime environment:
    seed: 2025
    Distributed launcher: pytorch
    Distributed training: True
    GPU number: 8
------------------------------------------------------------

"""


def _step(start: datetime, step: int, seconds: float) -> str:
    clock = _clock(start + timedelta(seconds=16.5 * step))
    return (
        f"{clock} - mmengine - INFO - Iter(train) [{step:>3}/400]  lr: 1.0000e-05  eta: 0:30:00  time: {seconds:.4f}  "
        f"data_time: 0.0440  memory: 54047  loss: {2 / step:.4f}  tflops: {555.46 / seconds:.4f}  "
        f"tokens_per_sec: {16_384 / seconds:.4f}\n"
    )


def _clock(moment: datetime) -> str:
    return f"{moment:%Y/%m/%d %H:%M:%S}"


def stale(drawn: dict[str, bytes]) -> list[str]:
    """Paths in docs/ that differ from what the commands give now, or have no picture any more."""
    found = {path.stem for path in (DOCS / "pictures").glob("*.png")} ^ set(drawn)
    found |= {
        name for name, png in drawn.items() if name not in found and _differs(DOCS / "pictures" / f"{name}.png", png)
    }
    there = DOCS / "pictures.md"
    texts = [] if there.exists() and there.read_text("utf-8") == page() else ["pictures.md"]
    return texts + [f"pictures/{name}.png" for name in sorted(found)]


def _differs(path: Path, png: bytes) -> bool:
    with Image.open(path) as old, Image.open(io.BytesIO(png)) as new:
        if old.size != new.size:
            return True
        greys = ImageChops.difference(old.convert("L"), new.convert("L")).histogram()
    return sum(greys[NOTICED:]) > SHARE * sum(greys)


def write(drawn: dict[str, bytes]) -> None:
    """All of docs/pictures/ and docs/pictures.md."""
    shutil.rmtree(DOCS / "pictures", ignore_errors=True)
    (DOCS / "pictures").mkdir()
    for name, png in drawn.items():
        (DOCS / "pictures" / f"{name}.png").write_bytes(png)
    (DOCS / "pictures.md").write_text(page(), "utf-8")


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 when something is stale")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as home:
        drawn = draw(Path(home))
    old = stale(drawn)
    if old and check:
        raise SystemExit(f"stale: {', '.join(old)} (make docs)")
    if old:
        write(drawn)


if __name__ == "__main__":
    main()
