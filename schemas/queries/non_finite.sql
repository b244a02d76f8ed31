-- Which series hold NaN or infinite values, how many, and where do they begin and end?
--
-- One row per run, phase, rank and metric with such values: `values` counts all that are shown of it, `longest` the
-- longest stretch of neighbouring values that are not finite; `ends`: the last value is one of them.  Programs that
-- leave a loss out where it is NaN, as Megatron-LM does, count those iterations instead: a row with `said_by`
-- `the log's own count`, whose `not_finite` is their sum.
--
-- parameter: series VARCHAR = '*' -- metric, or its raw name in the log; *: all
-- parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
CREATE OR REPLACE MACRO non_finite(series VARCHAR := '*', pick VARCHAR := '*') AS TABLE
WITH member AS MATERIALIZED (
  SELECT s.run_key, s.series_key, s.source_key, s.phase, s.rank, s.device_index, s.metric, s.raw_name,
    s.non_finite > 0 AS odd
  FROM series_rows s JOIN _picked(pick) k ON k.run_key = s.run_key
  WHERE (s.non_finite > 0 OR s.metric = 'nan_iterations') AND (series = '*' OR s.metric = series OR s.raw_name = series)
),
point AS (
  SELECT q.*, row_number() OVER (PARTITION BY q.series_key ORDER BY q.step, q.line) AS n
  FROM (
    SELECT m.*, unnest(b.steps) AS step, unnest(b.lines) AS line, unnest(v.vals) AS val, unnest(v.shown) AS shown
    FROM member m
      JOIN block_values v ON v.series_key = m.series_key
      JOIN blocks b ON b.block_key = v.block_key
    WHERE NOT v.hidden
  ) q
  WHERE q.shown IS NOT FALSE AND q.val IS NOT NULL
),
stretch AS (
  SELECT o.series_key, max(o.n) AS longest
  FROM (
    SELECT d.series_key, d.stretch, count(*) AS n
    FROM (
      SELECT p.series_key, p.n - row_number() OVER (PARTITION BY p.series_key ORDER BY p.n) AS stretch
      FROM point p WHERE NOT isfinite(p.val)
    ) d
    GROUP BY d.series_key, d.stretch
  ) o
  GROUP BY o.series_key
),
counted AS (
  SELECT p.series_key, any_value(p.run_key) AS run_key, any_value(p.source_key) AS source_key,
    any_value(p.phase) AS phase, any_value(p.rank) AS rank, any_value(p.device_index) AS device_index,
    any_value(p.metric) AS metric, any_value(p.raw_name) AS raw_name, count(*) AS n,
    count(*) FILTER (NOT isfinite(p.val)) AS odd, count(*) FILTER (isnan(p.val)) AS nans,
    min_by({step: p.step, line: p.line}, p.n) FILTER (NOT isfinite(p.val)) AS first_odd,
    max_by({step: p.step, line: p.line}, p.n) FILTER (NOT isfinite(p.val)) AS last_odd,
    NOT isfinite(max_by(p.val, p.n)) AS ends,
    sum(p.val) FILTER (p.metric = 'nan_iterations' AND isfinite(p.val)) AS said,
    min_by({step: p.step, line: p.line}, p.n) FILTER (p.metric = 'nan_iterations' AND p.val > 0) AS first_said,
    max_by({step: p.step, line: p.line}, p.n) FILTER (p.metric = 'nan_iterations' AND p.val > 0) AS last_said
  FROM point p
  GROUP BY p.series_key
)
SELECT k.run_id, c.phase, c.rank, c.metric, c.odd AS not_finite, c.nans AS nan, c.odd - c.nans AS infinite,
  c.n AS "values", c.first_odd.step AS first_step, c.last_odd.step AS last_step, t.longest, c.ends,
  'the values' AS said_by, c.raw_name, c.device_index, k.experiment, w.path || ':' || c.first_odd.line AS source,
  w.path || ':' || c.last_odd.line AS last_source
FROM counted c
  JOIN stretch t ON t.series_key = c.series_key
  JOIN run_rows k ON k.run_key = c.run_key
  JOIN source_rows w ON w.source_key = c.source_key
WHERE c.odd > 0
UNION ALL
SELECT k.run_id, c.phase, c.rank, c.metric, c.said::BIGINT, c.said::BIGINT, 0, c.n, c.first_said.step, c.last_said.step,
  NULL, NULL, 'the log''s own count', c.raw_name, c.device_index, k.experiment, w.path || ':' || c.first_said.line,
  w.path || ':' || c.last_said.line
FROM counted c
  JOIN run_rows k ON k.run_key = c.run_key
  JOIN source_rows w ON w.source_key = c.source_key
WHERE c.said > 0
ORDER BY experiment, run_id, phase, rank, metric;
