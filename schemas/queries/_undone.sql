-- What restarts undid: per restart (`run_key`) and earlier attempt (`done_key`), the steps after `after` up to `upto`
-- that the earlier one had done beyond the last step kept, and that no restart in between had undone already.
CREATE OR REPLACE MACRO _undone(pick) AS TABLE
WITH attempt AS (
  SELECT r.run_key, r.experiment, r.attempt, r.first_step, r.last_step, least(r.resumed_from, r.first_step - 1) AS kept
  FROM run_rows r JOIN _picked(pick) k ON k.run_key = r.run_key
),
met AS (
  SELECT u.run_key, u.experiment, d.run_key AS done_key, d.first_step, d.last_step, d.kept AS began,
    min(u.kept) OVER (PARTITION BY d.run_key ORDER BY u.attempt) AS kept,
    min(u.kept) OVER (
      PARTITION BY d.run_key ORDER BY u.attempt ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS kept_before
  FROM attempt d JOIN attempt u ON u.experiment = d.experiment AND u.attempt > d.attempt
)
SELECT m.run_key, m.experiment, m.done_key, m.first_step, m.last_step, greatest(m.began, m.kept) AS after,
  least(m.last_step, m.kept_before) AS upto
FROM met m
WHERE m.kept IS NOT NULL AND greatest(m.began, m.kept) < least(m.last_step, m.kept_before);
