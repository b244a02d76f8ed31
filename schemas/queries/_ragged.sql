-- The sustained reading of curves that hold NaN or Inf: such a point breaks a stretch.
CREATE OR REPLACE MACRO _ragged(series, pick, threshold, min_steps, sustain) AS TABLE
WITH ragged AS MATERIALIZED (
  SELECT c.series_key, c.exp, c.cut,
    bool_or(s.non_finite > 0) OVER (PARTITION BY c.exp) AS is_ragged
  FROM _chosen(series, pick, threshold) c JOIN series_rows s ON s.series_key = c.series_key
),
point AS (
  SELECT n.exp, n.series_key, n.cut, unnest(b.steps) AS step, unnest(b.lines) AS line, unnest(v.vals) AS val,
    unnest(v.shown) AS shown
  FROM ragged n
    JOIN block_values v ON v.series_key = n.series_key
    JOIN blocks b ON b.block_key = v.block_key
  WHERE NOT v.hidden AND n.is_ragged
),
ahead AS (
  SELECT p.exp, p.series_key, p.step, p.line, count_if(isfinite(p.val) AND p.val < threshold) OVER (
      PARTITION BY p.exp ORDER BY p.step ROWS BETWEEN CURRENT ROW AND (sustain - 1) FOLLOWING
    ) AS below
  FROM point p
  WHERE p.shown IS NOT FALSE AND p.step IS NOT NULL AND p.val IS NOT NULL AND (p.cut IS NULL OR p.step < p.cut)
)
SELECT a.exp, min_by({step: a.step, line: a.line, series_key: a.series_key}, a.step)
    FILTER (a.below = sustain AND a.step >= min_steps) AS sustained
FROM ahead a
GROUP BY a.exp;
