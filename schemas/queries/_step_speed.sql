-- One row per step of a run, all its ranks together, warm-up left out.
--
-- `work` over `span` is the speed per device (see `_rank_speed`); `seconds` and `data` are those of the slowest rank.
CREATE OR REPLACE MACRO _step_speed(pick, warmup) AS TABLE
SELECT p.run_key, p.series_key, p.driver, p.stride, p.step, p.line, p.tick, p.seconds, p.data, p.work, p.span
FROM _rank_speed(pick, warmup, false) p
UNION ALL
SELECT p.run_key, min_by(p.series_key, p.rank), any_value(p.driver), any_value(p.stride), p.step,
  min_by(p.line, p.rank), min(p.tick), max(p.seconds), max(p.data), sum(p.work), sum(p.span)
FROM _rank_speed(pick, warmup, true) p
GROUP BY p.run_key, p.step;
