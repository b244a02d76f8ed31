-- Where did the loss or the gradient norm jump up, how far, and did it come back?
--
-- One row per spike, and one (`kind` NaN or Inf) per stretch of neighbouring values that are not finite.
--
-- A value is a spike when it lies `z` robust standard deviations above what the `neighbours` logged values before it
-- let expect (`usual`), and `size` (a fraction) above that.  Expected is their median, corrected by the median distance
-- of those values from their own running medians, since the median of a falling curve lags; the deviation is the
-- interquartile range of those distances over 1.349, at least half a unit of the log's last decimal and half a percent
-- of the value.  A series that is always positive is judged by its logarithm, so that the even ups and downs of a
-- gradient norm count as such.  The first 20 values of a run are never judged.
--
-- A spike ends with the first value within two deviations of the expected one: `recovery_steps` after it began; NULL
-- where it never came back, which may be divergence or a new level.  `peak` is its highest value, `ratio` that over
-- `usual`.  `values_judged` counts the finite values of the series that were judged.  Steps that a later attempt did
-- again are judged too: the spike may be why they were.
--
-- parameter: series VARCHAR = '*' -- metric, or its raw name in the log; *: loss and grad_norm
-- parameter: z DOUBLE = 8 in 0.. -- robust standard deviations above the expected value
-- parameter: size DOUBLE = 0.1 in 0.. -- fraction above the expected value
-- parameter: neighbours BIGINT = 100 in 1.. -- logged values before a value that say what to expect
-- parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
CREATE OR REPLACE MACRO spikes(
  series VARCHAR := '*', z DOUBLE := 8, size DOUBLE := 0.1, neighbours BIGINT := 100, pick VARCHAR := '*'
) AS TABLE
WITH point AS MATERIALIZED (FROM _logged(series, pick)),
usual AS (
  SELECT p.run_key, p.metric, p.series_key, p.step, p.line, p.tick, p.val, p.half_unit, p.positive,
    CASE WHEN p.positive THEN ln(p.val) ELSE p.val END AS x,
    median(CASE WHEN p.positive THEN ln(p.val) ELSE p.val END) OVER (
      PARTITION BY p.run_key, p.metric ORDER BY p.step, p.line ROWS BETWEEN neighbours PRECEDING AND 1 PRECEDING
    ) AS mid,
    row_number() OVER (PARTITION BY p.run_key, p.metric ORDER BY p.step, p.line) AS n
  FROM point p
  WHERE isfinite(p.val)
),
spread AS (
  SELECT u.*, quantile_cont(u.x - u.mid, [0.25, 0.5, 0.75]) OVER (
      PARTITION BY u.run_key, u.metric ORDER BY u.step, u.line ROWS BETWEEN neighbours PRECEDING AND 1 PRECEDING
    ) AS off
  FROM usual u
),
expected AS (
  SELECT s.* EXCLUDE (mid, off), s.mid + s.off[2] AS mid, (s.off[3] - s.off[1]) / 1.349 AS wide,
    CASE WHEN s.positive THEN exp(s.mid + s.off[2]) ELSE s.mid + s.off[2] END AS level
  FROM spread s
  WHERE s.n > 20
),
judged AS (
  SELECT e.*, CASE WHEN e.positive THEN greatest(e.wide, 0.005, e.half_unit / e.level)
    ELSE greatest(e.wide, 0.005 * abs(e.level), e.half_unit, 1e-300) END AS deviation
  FROM expected e
),
high AS MATERIALIZED (
  SELECT j.*, (j.x - j.mid) / j.deviation AS score,
    CASE WHEN j.positive THEN exp(j.mid + 2 * j.deviation) ELSE j.mid + 2 * j.deviation END AS calm
  FROM judged j
  WHERE j.x - j.mid >= z * j.deviation AND j.val - j.level >= size * abs(j.level)
),
-- Of neighbouring high values only the first asks when the curve came back.
first_high AS MATERIALIZED (
  SELECT h.run_key, h.metric, h.step, h.line, h.n, h.calm
  FROM high h
  QUALIFY h.n > coalesce(lag(h.n) OVER (PARTITION BY h.run_key, h.metric ORDER BY h.n), -1) + 1
),
back AS (
  SELECT f.run_key, f.metric, f.n, min(p.step) AS step
  FROM point p JOIN first_high f ON f.run_key = p.run_key AND f.metric = p.metric AND p.step > f.step AND p.val <= f.calm
  WHERE isfinite(p.val)
  GROUP BY f.run_key, f.metric, f.n
),
reach AS (
  SELECT f.run_key, f.metric, f.n, f.step, coalesce(b.step, 9223372036854775807) AS until,
    max(coalesce(b.step, 9223372036854775807)) OVER (
      PARTITION BY f.run_key, f.metric ORDER BY f.n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
  FROM first_high f LEFT JOIN back b ON b.run_key = f.run_key AND b.metric = f.metric AND b.n = f.n
),
begin AS (
  SELECT r.run_key, r.metric, r.n, r.step, max(r.until) OVER (
      PARTITION BY r.run_key, r.metric ORDER BY r.n ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS last_until,
    r.until, lead(r.n) OVER (PARTITION BY r.run_key, r.metric ORDER BY r.n) AS next_n
  FROM reach r
  WHERE r.before IS NULL OR r.step >= r.before
),
spike AS (
  SELECT h.run_key, h.metric, 'spike' AS kind, b.step AS first_step,
    min_by({series_key: h.series_key, line: h.line, level: h.level, tick: h.tick}, h.n) AS start,
    max_by({step: h.step, val: h.val}, h.val) AS top, max(h.score) AS score, count(*) AS high_values,
    any_value(b.until) AS until
  FROM high h JOIN begin b ON b.run_key = h.run_key AND b.metric = h.metric AND h.n >= b.n
    AND (b.next_n IS NULL OR h.n < b.next_n)
  GROUP BY h.run_key, h.metric, b.step, b.n
),
odd AS (
  SELECT o.*, o.n - row_number() OVER (PARTITION BY o.run_key, o.metric ORDER BY o.n) AS stretch
  FROM (
    SELECT p.*, row_number() OVER (PARTITION BY p.run_key, p.metric ORDER BY p.step, p.line) AS n FROM point p
    WHERE p.run_key IN (SELECT x.run_key FROM series_rows x WHERE x.non_finite > 0)
  ) o
  WHERE NOT isfinite(o.val)
),
odd_stretch AS (
  SELECT o.run_key, o.metric, CASE WHEN bool_or(isnan(o.val)) THEN 'NaN' ELSE 'Inf' END AS kind,
    min(o.step) AS first_step, max(o.step) AS last_step,
    min_by({series_key: o.series_key, line: o.line, tick: o.tick}, o.n) AS start,
    min_by({step: o.step, val: o.val}, o.n) AS top, count(*) AS high_values
  FROM odd o
  GROUP BY o.run_key, o.metric, o.stretch
),
extent AS (
  SELECT p.run_key, p.metric, greatest(0, count(*) FILTER (isfinite(p.val)) - 20) AS judged, max(p.step) AS last_step
  FROM point p
  GROUP BY p.run_key, p.metric
),
after AS (
  SELECT o.run_key, o.metric, o.first_step, min(p.step) AS step
  FROM odd_stretch o JOIN point p ON p.run_key = o.run_key AND p.metric = o.metric AND p.step > o.last_step
  WHERE isfinite(p.val)
  GROUP BY o.run_key, o.metric, o.first_step
),
found AS (
  SELECT s.run_key, s.metric, s.kind, s.first_step, nullif(s.until, 9223372036854775807) AS recovered, s.high_values,
    s.top, s.start.level AS level, s.score, s.start.series_key AS series_key, s.start.line AS line, s.start.tick AS tick
  FROM spike s
  UNION ALL
  SELECT o.run_key, o.metric, o.kind, o.first_step, a.step, o.high_values, o.top, NULL, NULL, o.start.series_key,
    o.start.line, o.start.tick
  FROM odd_stretch o LEFT JOIN after a ON a.run_key = o.run_key AND a.metric = o.metric AND a.first_step = o.first_step
)
SELECT k.run_id, f.metric, f.kind, f.first_step, f.top.step AS peak_step, f.top.val AS peak, f.level AS usual,
  f.top.val / nullif(f.level, 0) AS ratio, f.score AS z, f.high_values AS values_high,
  f.recovered - f.first_step AS recovery_steps,
  CASE WHEN f.recovered IS NULL THEN format('not back by step {}, the last', e.last_step) END AS note,
  f.tick AS time, e.judged AS values_judged, x.definition, k.experiment, k.attempt,
  w.path || ':' || f.line AS source
FROM found f
  JOIN run_rows k ON k.run_key = f.run_key
  JOIN extent e ON e.run_key = f.run_key AND e.metric = f.metric
  JOIN series_rows x ON x.series_key = f.series_key
  JOIN source_rows w ON w.source_key = x.source_key
ORDER BY k.experiment, k.attempt, f.first_step, f.metric;
