-- How fast did each training run, in its steady state?
--
-- One row per run, warm-up left out: the first 1 % of the logged records (`warmup`), at least 10 and at most 100 of
-- them, never more than half of the run.
--
-- `tokens_per_second_per_device`: where the log counts tokens, their sum over the sum of step times including the
-- data wait (`tgs@tokens_over_time`); where it gives only rates, their harmonic mean, since each of them is for one
-- step (`harmonic_mean(...)` of the log's own definition); where it gives neither, global batch size times sequence
-- length of the run's configuration over step time and devices (`tgs@config_batch`); NULL without these.
-- Where several ranks log, a step takes as long as its slowest rank, and `step_time` is its time; tokens are the mean
-- of the ranks, of rates the lowest counts.  `p5`, `median` and `p95` are of the same speed per device, step by step.
-- `tokens_per_second` is that times the number of devices, for the whole system: `device_count` of the run, else
-- the number of ranks that logged, where those are 0 to n - 1 (`devices_from`); NULL where nobody said.
-- `clock_gap` is how much longer the steps took by the log's clock than by their own times, as a fraction:
-- checkpoints, validation and pauses; `clock_note` speaks up beyond 5 %.
-- `drops` counts stretches below `drop` times the median, `worst_drop` is the one that cost most time: see
-- `throughput_drops`.
--
-- parameter: drop DOUBLE = 0.7 in 0..1 -- share of the median speed below which a step counts as slow
-- parameter: warmup DOUBLE = 0.01 in 0..1 -- share of the records left out at the start (10 to 100 records; 0: none)
-- parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
CREATE OR REPLACE MACRO throughput(
  drop DOUBLE := 0.7, warmup DOUBLE := 0.01, pick VARCHAR := '*'
) AS TABLE
WITH shown AS (
  SELECT s.*, o.ranks, k.run_id, k.experiment, k.model, k.vendor, k.device, s.work / s.span AS speed, o.devices,
    o.scale, o.devices_from,
    CASE o.driver
      WHEN 'tokens' THEN 'tgs@tokens_over_time'
      WHEN 'rate' THEN 'harmonic_mean(' || coalesce(o.definition, 'tgs') || ')'
      ELSE 'tgs@config_batch'
    END AS definition,
    s.elapsed - (s.last_step - s.first_step) * s.seconds AS clock_excess,
    (list_reverse_sort([{lost: coalesce(d.lost_seconds, -1), spot: d} FOR d IN s.drops]))[1] .spot AS worst
  FROM _speed(drop, warmup, pick) s
    JOIN run_rows k ON k.run_key = s.run_key
    JOIN _devices(pick) o ON o.run_key = s.run_key
)
SELECT s.run_id, s.speed * s.scale AS tokens_per_second_per_device,
  s.speed * s.scale * s.devices AS tokens_per_second, s.devices,
  s.seconds AS step_time, s.data_share,
  s.quantiles[1] * s.scale AS p5, s.quantiles[2] * s.scale AS median, s.quantiles[3] * s.scale AS p95,
  coalesce(len(s.drops), 0) AS drops,
  CASE WHEN s.worst IS NOT NULL THEN format('steps {}–{} at {:.0f} % of the median: {}',
    s.worst.first_step, s.worst.last_step, 100 * s.worst.ratio, s.worst.cause) END AS worst_drop,
  s.clock_excess / nullif(s.elapsed - s.clock_excess, 0) AS clock_gap,
  CASE WHEN abs(s.clock_excess) > 0.05 * (s.elapsed - s.clock_excess) AND abs(s.clock_excess) > 2 THEN format(
    'the clock says {:.0f} s where the steps sum to {:.0f} s', s.elapsed, s.elapsed - s.clock_excess) END AS clock_note,
  CASE WHEN s.scale IS NOT NULL THEN s.definition END AS definition, s.devices_from, s.ranks, s.first_step, s.last_step, s.records, s.experiment, s.model, s.vendor, s.device,
  w.path || coalesce(':' || s.start.line, '') AS source
FROM shown s
  JOIN series_rows x ON x.series_key = s.start.series_key
  JOIN source_rows w ON w.source_key = x.source_key
ORDER BY s.run_id;
