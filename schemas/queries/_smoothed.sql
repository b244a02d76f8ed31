-- First step of the smoothed and of the sustained reading per experiment, and the lowest moving mean.
--
-- Only over the stretch where the order of points matters, and over finite points; a curve with NaN or Inf takes
-- its sustained reading from `_ragged`.
CREATE OR REPLACE MACRO _smoothed(series, pick, threshold, min_steps, smooth, sustain) AS TABLE
-- The small side is joined to the blocks once: DuckDB 2.0.0 fails on joins that build on such a join.
WITH near AS MATERIALIZED (
  SELECT c.series_key, c.exp, c.cut, t.first_step, t.last_step
  FROM _chosen(series, pick, threshold) c
    JOIN _stretch(series, pick, threshold, min_steps, smooth, sustain) t ON t.exp = c.exp
),
point AS (
  SELECT n.exp, n.series_key, n.cut, n.first_step, n.last_step, unnest(b.steps) AS step, unnest(b.lines) AS line,
    unnest(v.vals) AS val, unnest(v.shown) AS shown
  FROM near n
    JOIN block_values v ON v.series_key = n.series_key
    JOIN blocks b ON b.block_key = v.block_key
  WHERE NOT v.hidden
),
rolling AS (
  SELECT p.exp, p.series_key, p.step, p.line, row_number() OVER (PARTITION BY p.exp ORDER BY p.step) AS n,
    avg(p.val) OVER (PARTITION BY p.exp ORDER BY p.step ROWS BETWEEN (smooth - 1) PRECEDING AND CURRENT ROW) AS mean,
    count_if(p.val < threshold) OVER (
      PARTITION BY p.exp ORDER BY p.step ROWS BETWEEN CURRENT ROW AND (sustain - 1) FOLLOWING
    ) AS below
  FROM point p
  WHERE p.shown IS NOT FALSE AND isfinite(p.val) AND p.step >= coalesce(p.first_step, p.step)
    AND p.step <= coalesce(p.last_step, p.step) AND (p.cut IS NULL OR p.step < p.cut)
)
SELECT r.exp, min(r.mean) FILTER (r.n >= smooth AND r.step >= min_steps) AS lowest_mean,
  min_by({step: r.step, line: r.line, series_key: r.series_key, mean: r.mean}, r.step)
    FILTER (r.n >= smooth AND r.step >= min_steps AND r.mean < threshold) AS hit,
  min_by({step: r.step, line: r.line, series_key: r.series_key}, r.step)
    FILTER (r.below = sustain AND r.step >= min_steps) AS sustained
FROM rolling r
GROUP BY r.exp;
