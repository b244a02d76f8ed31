-- When did a training run slow down, and was it waiting for data or computing?
--
-- One row per stretch of logged steps whose speed lies below `drop` times the run's median, warm-up left out (see
-- `throughput`).  `cause`: `data wait` where waiting for data explains at least half of the time beyond the usual;
-- `compute` where it does not; `fewer tokens` where the steps took no longer; `not known` without step times.
-- `ranks`: where several ranks log, those that waited at least half as long as the worst (data wait), or were slow
-- themselves, the slowest first, ten at most.
--
-- parameter: drop DOUBLE = 0.7 -- share of the median speed below which a step counts as slow
-- parameter: warmup DOUBLE = 0.01 -- share of the records left out at the start (10 to 100 records; 0: none)
-- parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
CREATE OR REPLACE MACRO throughput_drops(
  drop DOUBLE := 0.7, warmup DOUBLE := 0.01, pick VARCHAR := '*'
) AS TABLE
SELECT 1;
