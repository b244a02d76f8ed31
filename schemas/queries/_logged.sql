-- Values of `series` as each run logged them: steps that a later attempt did again are here too.
--
-- `series` is a metric or its raw name; `*` stands for loss and gradient norm.  NULL values (sentinels) and points
-- without a step are left out; NaN and infinities are kept.  `positive`: all finite values of that series are above
-- zero; `half_unit`: half a unit of the last decimal of the file.
CREATE OR REPLACE MACRO _logged(series, pick) AS TABLE
WITH chosen AS MATERIALIZED (
  SELECT u.run_key, u.series_key, x.metric, u.half_unit
  FROM (
    FROM _chosen(series, pick, 1)
    UNION ALL SELECT l.* FROM _chosen('loss', pick, 1) l WHERE series = '*'
    UNION ALL SELECT g.* FROM _chosen('grad_norm', pick, 1) g WHERE series = '*'
  ) u JOIN series_rows x ON x.series_key = u.series_key
),
signed AS MATERIALIZED (
  SELECT c.run_key, c.metric, coalesce(bool_and(
      list_min(list_filter(v.vals, lambda z: isfinite(z))) > 0), false) AS positive
  FROM chosen c JOIN block_values v ON v.series_key = c.series_key
  WHERE NOT v.hidden
  GROUP BY c.run_key, c.metric
),
member AS MATERIALIZED (
  SELECT c.*, s.positive FROM chosen c JOIN signed s ON s.run_key = c.run_key AND s.metric = c.metric
)
SELECT p.run_key, p.series_key, p.metric, p.half_unit, p.positive, p.step, p.line, p.tick, p.val
FROM (
  SELECT m.*, unnest(b.steps) AS step, unnest(b.lines) AS line, unnest(coalesce(b.clock, b.joined)) AS tick,
    unnest(v.vals) AS val, unnest(v.shown) AS shown
  FROM member m
    JOIN block_values v ON v.series_key = m.series_key
    JOIN blocks b ON b.block_key = v.block_key
  WHERE NOT v.hidden
) p
WHERE p.shown IS NOT FALSE AND p.step IS NOT NULL AND p.val IS NOT NULL;
