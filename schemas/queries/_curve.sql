-- Effective curve of `series`: the points of all attempts but those that a later attempt redid.
--
-- NULL values (sentinels) and points without a step are left out; NaN and infinities are kept.
CREATE OR REPLACE MACRO _curve(series, pick) AS TABLE
SELECT p.exp, p.run_key, p.series_key, p.step, p.line, p.val
FROM (
  SELECT c.exp, c.run_key, c.series_key, c.cut, unnest(b.steps) AS step, unnest(b.lines) AS line,
    unnest(v.vals) AS val, unnest(v.shown) AS shown
  FROM _chosen(series, pick, 1) c
    JOIN block_values v ON v.series_key = c.series_key
    JOIN blocks b ON b.block_key = v.block_key
  WHERE NOT v.hidden
) p
WHERE p.shown IS NOT FALSE AND p.step IS NOT NULL AND p.val IS NOT NULL AND (p.cut IS NULL OR p.step < p.cut);
