-- Runs of the experiments that `pick` names: an experiment, a run, or a pattern with `*` of either.
--
-- A run stands for its whole experiment.  `exp` is one number per experiment, so that millions of points need
-- not carry its name.
CREATE OR REPLACE MACRO _picked(pick) AS TABLE
SELECT r.run_key, r.run_id, r.experiment, r.attempt, r.cut_step AS cut, min(r.run_key) OVER (PARTITION BY r.experiment) AS exp
FROM run_rows r
QUALIFY bool_or(r.experiment = pick OR r.run_id = pick OR r.experiment GLOB pick OR r.run_id GLOB pick)
  OVER (PARTITION BY r.experiment);
