-- Where the effective curve of each attempt ends.
--
-- One row per run that has another attempt in its experiment: `cut` is the smallest first train step of all
-- later attempts (NULL for the last one); what the run logged from there on was redone.  `first_step` and
-- `last_step` are those of the run's own train records.  A run alone in its experiment has no row.
CREATE OR REPLACE MACRO _attempts() AS TABLE
WITH several AS (
  SELECT r.run_key, r.experiment, r.attempt
  FROM run_rows r
  QUALIFY count(*) OVER (PARTITION BY r.experiment) > 1
),
span AS (
  SELECT b.run_key, min(list_min(b.steps)) AS first_step, max(list_max(b.steps)) AS last_step
  FROM blocks b SEMI JOIN several s ON s.run_key = b.run_key
  WHERE b.phase = 'train'
  GROUP BY b.run_key
)
SELECT s.run_key, s.experiment, s.attempt, p.first_step, p.last_step,
  min(p.first_step) OVER (
    PARTITION BY s.experiment ORDER BY s.attempt ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
  ) AS cut
FROM several s LEFT JOIN span p ON p.run_key = s.run_key;
