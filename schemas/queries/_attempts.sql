-- Runs that have another attempt in their experiment: where each began, how far it came, and where its part of
-- the effective curve ends (`cut`: what it logged from there on was redone; NULL for the last one).  `kept` is the
-- last step that was not redone: where the later attempt says it resumed, else the step before its first.
CREATE OR REPLACE MACRO _attempts() AS TABLE
SELECT r.run_key, r.experiment, r.attempt, r.first_step, r.last_step, r.cut_step AS cut,
  min(least(r.first_step - 1, coalesce(r.resumed_from, r.first_step - 1))) OVER (
    PARTITION BY r.experiment ORDER BY r.attempt ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS kept
FROM run_rows r
QUALIFY count(*) OVER (PARTITION BY r.experiment) > 1;
