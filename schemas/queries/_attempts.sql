-- Runs that have another attempt in their experiment: where each began, how far it came, and where its part of
-- the effective curve ends (`cut`: what it logged from there on was redone; NULL for the last one).
CREATE OR REPLACE MACRO _attempts() AS TABLE
SELECT r.run_key, r.experiment, r.attempt, r.first_step, r.last_step, r.cut_step AS cut
FROM run_rows r
QUALIFY count(*) OVER (PARTITION BY r.experiment) > 1;
