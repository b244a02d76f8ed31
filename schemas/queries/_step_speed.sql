-- One row per step of a run, all its ranks together, warm-up left out.
--
-- A step is not over before its slowest rank is: `seconds`, `data` and `span` are the times that rank sets, `work` is
-- the mean of the ranks, so that `work` over `span`, for one step (`pace`) and summed, is the speed per device (see
-- `_record_speed`).  `kind` (`single` or `uneven`) says which of the runs of one rank are among them.
CREATE OR REPLACE MACRO _step_speed(pick, warmup, kind) AS TABLE
SELECT p.run_key, p.series_key, p.step, p.line, p.tick, p.seconds, p.data, p.work, p.span, p.work / p.span AS pace,
  _sampled(p.step, p.stride) AS sampled
FROM _record_speed(pick, warmup, kind) p
UNION ALL
SELECT p.run_key, min_by(p.series_key, p.rank), p.step, min_by(p.line, p.rank), min(p.tick), max(p.seconds),
  max(p.data), avg(p.work), max(p.span), avg(p.work) / max(p.span), _sampled(p.step, any_value(p.stride))
FROM _record_speed(pick, warmup, 'several') p
GROUP BY p.run_key, p.step;
