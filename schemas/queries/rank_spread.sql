-- How far do the ranks of a run lie apart, step by step?
--
-- One row per logged step of the runs in which several ranks log the metric: lowest, median, 90th percentile and
-- highest value over the ranks, and the rank of the highest.  `ratio` is the median over the median of all steps of
-- the run.  Warm-up and repeated steps included; values that are not finite are left out and counted.
--
-- parameter: series VARCHAR = 'step_time' -- metric, or its raw name in the log: data_time, tokens, attention_pack_ratio …
-- parameter: first_step BIGINT = 0 -- leave out steps before this one
-- parameter: last_step BIGINT = 9223372036854775807 -- leave out steps after this one
-- parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
CREATE OR REPLACE MACRO rank_spread(
  series VARCHAR := 'step_time', first_step BIGINT := 0, last_step BIGINT := 9223372036854775807, pick VARCHAR := '*'
) AS TABLE
WITH named AS (
  SELECT s.run_key, s.series_key, s.source_key, coalesce(s.rank, 0) AS rank, s.metric, s.definition
  FROM series_rows s JOIN _picked(pick) k ON k.run_key = s.run_key
  WHERE s.phase = 'train' AND s.device_index IS NULL AND (s.metric = series OR s.raw_name = series)
  QUALIFY rank() OVER (PARTITION BY s.run_key ORDER BY s.metric = series DESC) = 1
),
member AS MATERIALIZED (
  SELECT n.* FROM named n
  QUALIFY min(n.rank) OVER (PARTITION BY n.run_key) < max(n.rank) OVER (PARTITION BY n.run_key)
),
point AS (
  SELECT m.run_key, m.rank, m.series_key, unnest(b.steps) AS step, unnest(b.lines) AS line, unnest(v.vals) AS val,
    unnest(v.shown) AS shown
  FROM member m
    JOIN block_values v ON v.series_key = m.series_key
    JOIN blocks b ON b.block_key = v.block_key
  WHERE NOT v.hidden AND b.max_step >= first_step AND b.min_step <= last_step
),
of_step AS (
  SELECT p.run_key, p.step, count(*) FILTER (isfinite(p.val)) AS ranks, count(*) FILTER (NOT isfinite(p.val)) AS odd,
    min(p.val) FILTER (isfinite(p.val)) AS low, median(p.val) FILTER (isfinite(p.val)) AS mid,
    quantile_disc(p.val, 0.9) FILTER (isfinite(p.val)) AS p90,
    max_by({val: p.val, rank: p.rank, series_key: p.series_key, line: p.line}, p.val) FILTER (isfinite(p.val)) AS top,
    min_by({series_key: p.series_key, line: p.line}, p.rank) AS any_place
  FROM point p
  WHERE p.shown IS NOT FALSE AND p.val IS NOT NULL AND p.step BETWEEN first_step AND last_step
  GROUP BY p.run_key, p.step
)
SELECT k.run_id, o.step, o.low AS "min", o.mid AS median, o.p90, o.top.val AS "max", o.top.rank AS max_rank,
  o.mid / nullif(median(o.mid) OVER (PARTITION BY o.run_key), 0) AS ratio, o.ranks, o.odd AS not_finite,
  x.metric, x.unit, x.definition, k.experiment, w.path || ':' || coalesce(o.top.line, o.any_place.line) AS source
FROM of_step o
  JOIN run_rows k ON k.run_key = o.run_key
  JOIN series_rows x ON x.series_key = coalesce(o.top.series_key, o.any_place.series_key)
  JOIN source_rows w ON w.source_key = x.source_key
ORDER BY k.run_id, o.step;
