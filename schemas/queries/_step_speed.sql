-- One row per step of a run, all its ranks together, warm-up left out.
--
-- Summed `work` over summed `span` is the speed per device (see `_record_speed`).  A step is not over before its
-- slowest rank is: `pace` is the speed per device, `seconds` and `data` are the times, as that rank sets them;
-- `mean_seconds` is the mean over ranks, which adds up to the wall clock where ranks take turns being slow.
-- `kind` (`single` or `uneven`) says which of the runs of one rank are among them.
CREATE OR REPLACE MACRO _step_speed(pick, warmup, kind) AS TABLE
SELECT p.run_key, p.series_key, p.step, p.line, p.tick, p.seconds, p.seconds AS mean_seconds, p.data, p.work, p.span,
  p.work / p.span AS pace, _sampled(p.step, p.stride) AS sampled
FROM _record_speed(pick, warmup, kind) p
UNION ALL
SELECT p.run_key, min_by(p.series_key, p.rank), p.step, min_by(p.line, p.rank), min(p.tick), max(p.seconds),
  avg(p.seconds), max(p.data), sum(p.work), sum(p.span), avg(p.work) / max(p.span),
  _sampled(p.step, any_value(p.stride))
FROM _record_speed(pick, warmup, 'several') p
GROUP BY p.run_key, p.step;
