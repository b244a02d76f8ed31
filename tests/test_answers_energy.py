"""`energy`: integrals against plain sums, what links a monitor to a run, and when there is no number."""

import numpy as np
import pytest

import llmstats
from llmstats.answers import _monitors
from llmstats.errors import QueryError
from llmstats.records import FULL, Measurement, Run
from llmstats.store_types import CanonicalPoints, SeriesColumn

from .store_deltas import SECOND, Source, fresh_store

RNG = np.random.default_rng(7)
SPEED = "tokens_per_second_per_device"
#: A Friday in 2025; the times below are seconds since then.
DAY = 1_740_700_800


def microseconds(times):
    return ((DAY + np.asarray(times, float)) * SECOND).astype(np.int64)


def record(times, watts):
    return _monitors.Record(np.asarray(times, float), np.asarray(watts, float), 1, 0)


def plain(times, watts, start, end, steps=200_000):
    """The integral by brute force: many thin rectangles under the broken line."""
    at = np.linspace(start, end, steps, endpoint=False) + (end - start) / steps / 2
    return float(np.interp(at, times, watts).mean() * (end - start))


# --------------------------------------------------------------------------- the integral


def test_the_trapezoid_of_uneven_samples():
    times = np.cumsum(RNG.uniform(0.5, 1.5, 200))
    watts = RNG.uniform(100, 700, 200)
    whole = _monitors.integrate(record(times, watts), times[0], times[-1], 3)
    assert whole.energy == pytest.approx(np.trapezoid(watts, times))
    assert (whole.samples, whole.problem) == (200, None)
    cut = _monitors.integrate(record(times, watts), 20.25, 90.75, 3)
    assert cut.energy == pytest.approx(plain(times, watts, 20.25, 90.75), rel=1e-6)
    assert (cut.start, cut.end) == (20.25, 90.75)


def test_a_ramp_is_exact():
    times = np.arange(101.0)
    assert _monitors.integrate(record(times, 10 * times), 0, 100, 3).energy == pytest.approx(10 * 100**2 / 2)


@pytest.mark.parametrize(
    ("times", "watts", "problem"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 30, 31, 32], 1, "a gap of 20.0 s between samples, which come every 1 s"),
        (range(10, 33), 1, "no samples in 10.0 s at the start or end of the run"),
        (range(20), 1, "no samples in 13.0 s at the start or end of the run"),
        (range(0, 33, 4), 1, "9 samples in the time of the run; 10 are needed"),
        (range(40, 60), 1, "0 samples in the time of the run"),
        (range(33), 0, "the sensor reads 0 W throughout"),
        (range(33), -50, "33 of 33 samples in the time of the run are below 0 W"),
    ],
)
def test_what_does_not_hold(times, watts, problem):
    times = list(times)
    assert _monitors.integrate(record(times, [watts] * len(times)), 0, 32, 3).problem == problem


def test_a_sensor_that_dies_or_goes_below_0_is_not_trusted():
    times = np.arange(-10, 40)
    dead, below = np.where(times < 15, 300.0, 0.0), np.where(times == 7, -1.0, 300.0)
    told = "the sensor reads 0 W in 18 of 33 samples in the time of the run"
    assert _monitors.integrate(record(times, dead), 0, 32, 3).problem == told
    assert _monitors.integrate(record(times, dead), 0, 14, 3).problem is None  # it died afterwards
    told = "1 of 33 samples in the time of the run are below 0 W"
    assert _monitors.integrate(record(times, below), 0, 32, 3).problem == told


def test_a_gap_that_begins_or_ends_outside_counts():
    times = [*range(11), *range(40, 60)]
    assert "a gap of 30.0 s" in _monitors.integrate(record(times, [1] * 31), 39, 55, 3).problem
    assert "a gap of 30.0 s" in _monitors.integrate(record(times, [1] * 31), 0, 11, 3).problem


# --------------------------------------------------------------------------- runs and their monitors


class Lab:
    """A store with a training of 101 steps of 1,000 tokens per second and device, and whoever watches it."""

    def __init__(self, path):
        self.path = str(path)
        self.store = fresh_store(path)

    def training(self, name="job", folder="/w", devices=2, first=0.0, labels=None, **facts):
        steps = np.arange(1, 102)
        columns = [SeriesColumn(SPEED, SPEED, None, "tgs@toy", FULL, np.full(101, 1000.0), None)]
        columns.append(SeriesColumn("step_time", "time", None, None, FULL, np.ones(101), None))
        times = microseconds(first + steps)
        run = Run(name, f"{folder}/{name}", kind="training", device_count=devices, **({"model": "llama2-7b"} | facts))
        points = CanonicalPoints(name, "train", steps + 10, columns, steps, times=times)
        self.store.commit([Source(f"{folder}/{name}.log", labels=labels).replace(run, points)])

    def monitor(self, watts, name="job", folder="/w", metric="power", definition="power@device", labels=None, **more):
        """One series of power per row of ``watts``: (times, values)."""
        parts = []
        for index, (times, values) in enumerate(watts):
            column = SeriesColumn(metric, metric, None, definition, FULL, np.asarray(values, float), None)
            at = microseconds(times)
            lines = np.arange(len(values)) * len(watts) + index + 1
            device = index if metric == "power" else None
            parts.append(CanonicalPoints(name, "train", lines, [column], times=at, device_index=device))
        run = Run(name, f"{folder}/{name}", kind="training" if name == "job" else None, **more)
        self.store.commit([Source(f"{folder}/{name}.power", labels=labels).replace(run, *parts)])

    def ask(self, **parameters):
        answer = llmstats.open(self.path).query("energy", **parameters)
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]

    def one(self, **parameters):
        (row,) = self.ask(**parameters)
        return row


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path / "s.duckdb")


def two_cards(start=-20.0, end=130.0, step=1.0):
    times = np.arange(start, end, step)
    return [(times, RNG.uniform(300, 400, len(times))), (times + 0.25, RNG.uniform(500, 600, len(times)))]


def test_joules_per_token(lab):
    """Steady from step 11 on (ten steps of warm-up), which ended at second 11, to step 101."""
    watts = two_cards()
    lab.training(device="A100-SXM4-40GB")
    lab.monitor(watts)
    row = lab.one()
    energy = sum(plain(times, values, 11, 101) for times, values in watts)
    assert row["energy"] == pytest.approx(energy, rel=1e-5)
    assert row["power"] == pytest.approx(energy / 90, rel=1e-5)
    assert row["tokens"] == pytest.approx(2 * 1000 * 90)
    assert row["joules_per_token"] == pytest.approx(energy / 180_000, rel=1e-5)
    assert row["tokens_per_second_per_watt"] == pytest.approx(180_000 / energy, rel=1e-5)
    assert row["share_of_tdp"] == pytest.approx(energy / 90 / 800, rel=1e-5)
    assert (row["devices_expected"], row["devices_seen"], row["samples"]) == (2, 2, 91 + 90)
    assert (row["linked_by"], row["time_of"], row["reason"]) == ("same run", "steady steps", None)
    assert (row["definition"], row["power_definition"]) == ("energy@trapezoid", "power@device")
    assert row["source"] == "/w/job.power:1"


def test_pauses_cost_energy_and_make_no_tokens(lab):
    """A pause of 100 s in the middle: the energy is that of the whole time, the tokens are those of the steps."""
    steps = np.arange(1, 102)
    times = microseconds(steps + 100 * (steps > 50))
    columns = [SeriesColumn(SPEED, SPEED, None, "tgs@toy", FULL, np.full(101, 1000.0), None)]
    columns.append(SeriesColumn("step_time", "time", None, None, FULL, np.ones(101), None))
    run = Run("job", "/w/job", kind="training", device_count=1, model="llama2-7b")
    points = CanonicalPoints("job", "train", steps + 10, columns, steps, times=times)
    lab.store.commit([Source("/w/job.log").replace(run, points)])
    at = np.arange(0.0, 220.0)
    lab.monitor([(at, np.full(220, 400.0))])
    row = lab.one()
    assert (row["seconds"], row["tokens"]) == (190, pytest.approx(90_000))
    assert row["joules_per_token"] == pytest.approx(400 * 190 / 90_000)


def test_samples_that_are_no_number_are_left_out_and_counted(lab):
    (times, values), other = two_cards()
    values[40], values[41] = np.nan, np.inf
    lab.training()
    lab.monitor([(times, values), other])
    row = lab.one()
    kept = np.isfinite(values)
    energy = plain(times[kept], values[kept], 11, 101) + plain(*other, 11, 101)
    assert (row["left_out"], row["energy"]) == (2, pytest.approx(energy, rel=1e-5))


def test_a_gap_withholds_the_number(lab):
    times = np.arange(-20.0, 130.0)
    cut = times[(times < 50) | (times > 55)]
    lab.training(devices=1)
    lab.monitor([(cut, np.full(len(cut), 300.0))])
    row = lab.one()
    assert row["reason"] == "device 0: a gap of 7.0 s between samples, which come every 1 s"
    assert (row["energy"], row["joules_per_token"], row["power"], row["largest_gap"]) == (None, None, None, 7)
    assert lab.one(max_gap=8)["joules_per_token"] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("devices", "reason"),
    [
        (1, "2 devices were monitored, the run used 1, and which is not said"),
        (4, "2 of the 4 devices of the run were monitored"),
        (None, "the number of devices of the run is unknown"),
    ],
)
def test_the_devices_must_be_those_of_the_run(lab, devices, reason):
    lab.training(devices=devices)
    lab.monitor(two_cards())
    row = lab.one()
    assert (row["reason"], row["joules_per_token"]) == (reason, None)


def test_of_one_card_the_best_reading_counts_once(lab):
    times = np.arange(-20.0, 130.0)
    lab.training(devices=1)
    for definition, watts in (
        ("power@device_instant", 500.0),
        ("power@device_average", 400.0),
        ("power@device", 300.0),
    ):
        column = SeriesColumn("power", definition, None, definition, FULL, np.full(150, watts), None)
        points = CanonicalPoints("job", "test", np.arange(150), [column], times=microseconds(times), device_index=0)
        run = Run("job", "/w/job", kind="training")
        lab.store.commit([Source(f"/w/{definition}.csv").replace(run, points)])
    row = lab.one()
    assert (row["power"], row["devices_seen"], row["power_definition"]) == (
        pytest.approx(400),
        1,
        "power@device_average",
    )


def test_servers_at_the_plug_are_another_scope(lab):
    times = np.arange(-20.0, 130.0)
    lab.training(devices=2)
    lab.monitor(two_cards())
    run = Run("job", "/w/job", kind="training")
    column = SeriesColumn("system_power", "pwr", None, None, FULL, np.full(150, 2000.0), None)
    points = CanonicalPoints("job", "train", np.arange(150), [column], times=microseconds(times))
    lab.store.commit([Source("/w/pwr.log").replace(run, points)])
    assert [row["scope"] for row in lab.ask()] == ["devices", "system"]
    row = lab.one(scope="system")
    assert row["joules_per_token"] == pytest.approx(2000 / 2000)
    assert lab.one(scope="devices")["scope"] == "devices"
    with pytest.raises(QueryError, match="--scope 'plug'"):
        lab.ask(scope="plug")
    with pytest.raises(QueryError, match=r"--max-gap 0\.5"):
        lab.ask(max_gap=0.5)


# --------------------------------------------------------------------------- linking two runs


def test_files_of_one_folder_whose_times_overlap(lab):
    lab.training()
    lab.monitor(two_cards(), name="gpu")
    lab.monitor(two_cards(), name="far", folder="/elsewhere")
    linked, alone = lab.ask()
    assert (linked["run_id"], linked["monitor"], linked["linked_by"]) == ("job", "gpu", "directory and time")
    assert linked["joules_per_token"] is not None
    assert alone["reason"] == "no run with tokens per second is linked to this monitor"
    assert (alone["joules_per_token"], alone["energy"], alone["samples"]) == (None, None, 300)
    assert [row["run_id"] for row in lab.ask(pick="job")] == ["job"]


def test_two_runs_at_one_time_in_one_folder(lab):
    lab.training()
    lab.training("other", first=30.0)
    lab.training("later", first=500.0)
    lab.monitor(two_cards(end=700.0), name="gpu")
    rows = {row["run_id"]: row for row in lab.ask()}
    assert rows["job"]["reason"] == "other ran at the same time, and which of them was monitored is not said"
    assert rows["other"]["reason"] == "job ran at the same time, and which of them was monitored is not said"
    assert (rows["later"]["reason"], rows["later"]["linked_by"]) == (None, "directory and time")


def test_one_label_joins_a_monitor_from_elsewhere(lab):
    lab.training(labels={"job": "night"})
    lab.training("other", labels={"job": "day"})
    lab.monitor(two_cards(), name="gpu", folder="/elsewhere", labels={"job": "night"})
    row = lab.one()
    assert (row["run_id"], row["linked_by"], row["reason"]) == ("job", "label job", None)


def test_a_monitor_of_another_day_is_not_linked(lab):
    lab.training()
    lab.monitor(two_cards(start=1000.0, end=1200.0), name="gpu")
    assert lab.one()["reason"] == "no run with tokens per second is linked to this monitor"


# --------------------------------------------------------------------------- serving


@pytest.mark.parametrize(
    ("started", "ended", "seconds", "reason"),
    [
        (10, 70, 60.0, None),
        (10, None, 60.0, None),
        (None, 70, 60.0, None),
        (10, 70, None, None),
        (10, 130, 60.0, "the run took 120 s by its clock, its benchmark 60 s"),
        (10, None, None, "no run with tokens per second is linked to this monitor"),
    ],
)
def test_a_serving_benchmark(lab, started, ended, seconds, reason):
    values = [Measurement("job", "total_tokens_per_second", 5000.0, line=3, unit="token/s")]
    if seconds:
        values.append(Measurement("job", "benchmark_duration", seconds, line=4))
    clock = {
        name: int(microseconds(second)) if second else None
        for name, second in (("started_at", started), ("ended_at", ended))
    }
    run = Run("job", "/w/job", kind="serving", device_count=2, **clock)
    lab.store.commit([Source("/w/job.json").replace(run, *values)])
    watts = two_cards()
    lab.monitor(watts, name="gpu")
    row = lab.one()
    assert row["reason"] == reason
    if reason is None:
        energy = sum(plain(times, power, 10, 70) for times, power in watts)
        assert row["joules_per_token"] == pytest.approx(energy / (5000 * 60), rel=1e-5)
        assert row["time_of"] == "start and end of the run"


def test_the_meter_of_mlperf_records_the_measured_run(lab):
    values = [Measurement("job", "output_tokens_per_second", 40000.0, line=3, unit="token/s")]
    lab.store.commit([Source("/w/job.txt").replace(Run("job", "/w/job", kind="inference"), *values)])
    times = np.arange(0.0, 601.0)
    column = SeriesColumn("system_power", "Watts", None, "power@meter_sum_of_channels", FULL, 5000 + times, None)
    points = CanonicalPoints("job", "test", np.arange(601), [column], times=microseconds(times))
    lab.store.commit([Source("/w/server.log").replace(Run("job", "/w/job", kind="inference"), points)])
    row = lab.one()
    assert (row["time_of"], row["power"]) == ("record of the meter", pytest.approx(5300))
    assert row["joules_per_token"] == pytest.approx(5300 / 40000)


# --------------------------------------------------------------------------- from files


def test_a_log_and_a_monitor_on_disk(tmp_path):
    """An mmengine log of 41 steps of 2 s and `nvidia-smi --query-gpu` beside it, read as a user would."""
    log = [
        f"2025/03/01 08:{s // 60:02}:{s % 60:02} - mmengine - INFO - Iter(train) [{n:>4}/400]  lr: 1.0e-05"
        f"  eta: 0:10:00  time: 2.0000  data_time: 0.0100  memory: 5000  loss: 1.5000  tokens_per_sec: 800.0000"
        for n, s in ((n, 2 * n) for n in range(1, 42))
    ]
    rows = ["timestamp, index, power.draw [W]"]
    for second in range(120):
        clock = f"2025/03/01 08:{second // 60:02}:{second % 60:02}.000"
        rows += [f"{clock}, {index}, {250 + 50 * index}.00 W" for index in (0, 1)]
    (tmp_path / "20250301_080000.log").write_text("\n".join(log) + "\n")
    (tmp_path / "gpu.csv").write_text("\n".join(rows) + "\n")
    database = llmstats.open(str(tmp_path / "s.duckdb"))
    database.ingest(tmp_path, labels={"device_count": "2"}, workers=1)
    answer = database.query("energy")
    (row,) = (dict(zip(answer.columns, values, strict=True)) for values in answer.rows)
    assert (row["linked_by"], row["reason"], row["devices_seen"]) == ("directory and time", None, 2)
    assert row["joules_per_token"] == pytest.approx(550 / 1600)
