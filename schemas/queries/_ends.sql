-- Where did each training end, and how much memory did it take, by its logged series?
--
-- One row per run with a series of the kind: `loss` is the mean of the last 50 finite logged values at most (of the
-- last few hundred records), `accuracy` the last of a validation, `memory` the largest peak of any rank in GiB
-- (allocated, else reserved).
CREATE OR REPLACE MACRO _ends(pick) AS TABLE
WITH tail AS MATERIALIZED (
  SELECT s.run_key, s.phase, s.metric, max_by([x FOR x IN v.vals IF isfinite(x)][-50:], b.max_step) AS last_ones
  FROM series_rows s
    JOIN _picked(pick) k ON k.run_key = s.run_key
    JOIN block_values v ON v.series_key = s.series_key
    JOIN blocks b ON b.block_key = v.block_key
  WHERE NOT v.hidden AND coalesce(s.rank, 0) = 0
    AND ((s.metric = 'loss' AND s.phase = 'train') OR (s.metric = 'accuracy' AND s.phase IN ('val', 'test')))
  GROUP BY s.run_key, s.phase, s.metric
),
peak AS MATERIALIZED (
  SELECT s.run_key, s.metric, max(list_max([x FOR x IN v.vals IF isfinite(x)])) AS bytes
  FROM series_rows s
    JOIN _picked(pick) k ON k.run_key = s.run_key
    JOIN block_values v ON v.series_key = s.series_key
  WHERE NOT v.hidden AND s.metric IN ('memory_allocated_peak', 'memory_reserved_peak') AND s.phase = 'train'
  GROUP BY s.run_key, s.metric
)
SELECT r.run_key, t.loss, t.accuracy, p.memory
FROM run_rows r
  LEFT JOIN (
    SELECT x.run_key, max(list_avg(x.last_ones)) FILTER (x.metric = 'loss') AS loss,
      max_by(x.last_ones[-1], x.phase) FILTER (x.metric = 'accuracy') AS accuracy
    FROM tail x
    GROUP BY x.run_key
  ) t ON t.run_key = r.run_key
  LEFT JOIN (
    SELECT y.run_key, min_by(y.bytes, y.metric) / 2 ** 30 AS memory FROM peak y GROUP BY y.run_key
  ) p ON p.run_key = r.run_key
WHERE t.run_key IS NOT NULL OR p.run_key IS NOT NULL;
