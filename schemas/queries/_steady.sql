-- First step of the steady state of each run: the warm-up rule.
--
-- Left out are the first `warmup` (a fraction) of the logged records, at least 10 and at most 100 of them, and never
-- more than half of the run; nothing where `warmup` is 0.
CREATE OR REPLACE MACRO _steady(pick, warmup) AS TABLE
WITH lead AS MATERIALIZED (
  SELECT r.series_key, r.run_key FROM _roles(pick) r WHERE r.role = r.driver AND r.rank = r.lead_rank
),
-- Materialized, here and below, so that lists of steps are read for a few blocks only and never sorted.
sized AS MATERIALIZED (
  SELECT l.run_key, b.block_key, b.min_step, len(b.steps) AS n
  FROM lead l JOIN block_values v ON v.series_key = l.series_key JOIN blocks b ON b.block_key = v.block_key
  WHERE NOT v.hidden AND b.steps IS NOT NULL
),
head AS (
  SELECT s.run_key, s.block_key, sum(s.n) OVER (PARTITION BY s.run_key) AS total,
    sum(s.n) OVER (PARTITION BY s.run_key ORDER BY s.min_step, s.block_key) - s.n AS before
  FROM sized s
),
first_blocks AS MATERIALIZED (
  SELECT h.run_key, h.block_key, h.total FROM head h WHERE h.before <= 100
),
early AS (
  SELECT f.run_key, f.total, unnest(b.steps) AS step FROM first_blocks f JOIN blocks b ON b.block_key = f.block_key
)
SELECT e.run_key, (list(e.step ORDER BY e.step))[1 + any_value(
    CASE WHEN warmup <= 0 THEN 0 ELSE least(100, greatest(10, ceil(warmup * e.total)), e.total // 2) END
  )::BIGINT] AS first_step
FROM early e
GROUP BY e.run_key;
