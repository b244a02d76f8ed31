-- First step of the steady state of each run: the warm-up rule.
--
-- Left out are the first `warmup` (a fraction) of the logged records, at least 10 and at most 100 of them, and never
-- more than half of the run; nothing where `warmup` is 0.
CREATE OR REPLACE MACRO _steady(pick, warmup) AS TABLE
WITH lead AS MATERIALIZED (
  SELECT r.series_key, r.run_key FROM _roles(pick) r WHERE r.role = r.driver AND r.rank = r.lead_rank
),
head AS (
  SELECT l.run_key, b.steps, len(b.steps) AS n,
    sum(len(b.steps)) OVER (PARTITION BY l.run_key ORDER BY b.min_step, b.block_key) - len(b.steps) AS before,
    sum(len(b.steps)) OVER (PARTITION BY l.run_key) AS total
  FROM lead l JOIN block_values v ON v.series_key = l.series_key JOIN blocks b ON b.block_key = v.block_key
  WHERE NOT v.hidden AND b.steps IS NOT NULL
),
early AS (
  SELECT h.run_key, h.total, unnest(h.steps) AS step FROM head h WHERE h.before <= 100
)
SELECT e.run_key, (list(e.step ORDER BY e.step))[1 + any_value(
    CASE WHEN warmup <= 0 THEN 0 ELSE least(100, greatest(10, ceil(warmup * e.total)), e.total // 2) END
  )::BIGINT] AS first_step
FROM early e
GROUP BY e.run_key;
