"""The script that everybody writes: a compiled ``re`` over the lines of an XTuner log (``re_loop.py LOG``).

It converts every value and prints how many lines it saw and the mean loss; it stores nothing.
"""

import re
import sys
from pathlib import Path

LINE = re.compile(
    r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) - mmengine - INFO - Iter\(train\) \[\s*(\d+)/(\d+)\]"
    r"  lr: (\S+)  eta: (.*?)  time: (\S+)  data_time: (\S+)  memory: (\S+)  loss: (\S+)"
    r"  tflops: (\S+)  tokens_per_sec: (\S+)"
)


def main(path: Path) -> None:
    """Read the whole log."""
    count, total = 0, 0.0
    with path.open(encoding="utf-8") as log:
        for line in log:
            match = LINE.match(line)
            if match:
                _clock, step, _steps, rate, _eta, *rest = match.groups()
                record = (int(step), float(rate), *map(float, rest))
                count += 1
                total += record[5]
    print(count, total / count)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
