-- How often was a training started again, why, and what did that cost?
--
-- One row per run that continues another one.  `kept_step` is the last step that was not done again: the checkpoint
-- that the log names, else the step before the first one logged.  `redone_steps` and `redone_seconds` are what earlier
-- attempts had done beyond it and no restart before this one had undone: seconds by their clock (before the first
-- record of an attempt at its mean pace), else steps times their mean time (`clock`).  `convergence` has the sums.
-- `gap_seconds` lie between the last record of the attempt before (`before`) and the start of this one (the first sign
-- of life that its log gives), `startup_seconds` between that and its first record.  `redone_chip_hours` are the redone
-- seconds times the devices; `idle_chip_hours` gap and start-up times the devices, which holds only if nobody else had
-- them meanwhile.  Both gap and idle time are NULL where the clock went back in between.
--
-- `cause` is what the attempt before says last: out of memory, an error, a loss that was no number any more, an
-- exit; `cause_source` is its line.  `reason` says what is missing: a run may say that it resumed while the run that it
-- continues is not in the store.
--
-- parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
CREATE OR REPLACE MACRO restarts(pick VARCHAR := '*') AS TABLE
WITH linked AS MATERIALIZED (
  SELECT r.run_key, r.run_id, r.experiment, r.attempt, r.started_at, r.first_step, r.last_step, r.resumed_from,
    lag(r.run_key) OVER w AS before_key, lag(r.run_id) OVER w AS before, lag(r.status) OVER w AS before_status,
    lag(r.device_count) OVER w AS before_devices, r.device_count, least(r.resumed_from, r.first_step - 1) AS kept
  FROM run_rows r JOIN _picked(pick) k ON k.run_key = r.run_key
  WHERE r.kind = 'training'
  WINDOW w AS (PARTITION BY r.experiment ORDER BY r.attempt)
),
again AS MATERIALIZED (
  SELECT l.* FROM linked l
  WHERE l.attempt > 1 OR l.resumed_from > 0
),
clock AS MATERIALIZED (
  SELECT b.run_key, min(list_min(coalesce(b.clock, b.joined))) AS first,
    max(list_max(coalesce(b.clock, b.joined))) AS last
  FROM blocks b
  WHERE b.phase = 'train' AND b.run_key IN (SELECT unnest([a.run_key, a.before_key]) FROM again a)
  GROUP BY b.run_key
),
said AS (
  SELECT e.run_key, max_by({kind: e.kind, message: e.message, place: w.path || coalesce(':' || e.line, '')},
      (CASE e.kind WHEN 'oom' THEN 2 WHEN 'error' THEN 1 ELSE 0 END, coalesce(e.line, 0))) AS last
  FROM event_rows e JOIN source_rows w ON w.source_key = e.source_key
  WHERE e.kind IN ('oom', 'error', 'exit') AND e.run_key IN (SELECT a.before_key FROM again a)
  GROUP BY e.run_key
),
loss AS (
  SELECT q.run_key, max_by({val: q.val, step: q.step, series_key: q.series_key, line: q.line}, (q.step, q.line)) AS last
  FROM (
    SELECT c.run_key, c.series_key, unnest(b.steps) AS step, unnest(b.lines) AS line, unnest(v.vals) AS val,
      unnest(v.shown) AS shown
    FROM _chosen('loss', pick, 1) c
      JOIN block_values v ON v.series_key = c.series_key
      JOIN blocks b ON b.block_key = v.block_key
    WHERE c.run_key IN (SELECT a.before_key FROM again a) AND NOT v.hidden
  ) q
  WHERE q.shown IS NOT FALSE AND q.step IS NOT NULL AND q.val IS NOT NULL
  GROUP BY q.run_key
),
resume AS (
  SELECT e.run_key, min(e.time) AS time, min_by({message: e.message, place: w.path || coalesce(':' || e.line, '')},
      coalesce(e.line, 0)) AS first
  FROM event_rows e JOIN source_rows w ON w.source_key = e.source_key
  WHERE e.kind IN ('resume', 'load') AND e.run_key IN (SELECT a.run_key FROM again a)
  GROUP BY e.run_key
),
begin AS (
  SELECT s.run_key, min_by({path: w.path, line: b.lines[1]}, (b.min_step, b.lines[1])) AS at
  FROM again s JOIN blocks b ON b.run_key = s.run_key JOIN source_rows w ON w.source_key = b.source_key
  WHERE b.phase = 'train'
  GROUP BY s.run_key
),
measured AS (
  SELECT a.*, CASE WHEN a.before_key IS NOT NULL THEN coalesce(d.steps, 0) END AS redone_steps,
    CASE WHEN a.before_key IS NOT NULL AND d.steps IS NULL THEN 0 ELSE d.seconds END AS redone_seconds, d.clock,
    epoch(least(a.started_at, u.time, c.first) - e.last) AS gap,
    epoch(c.first - least(a.started_at, u.time)) AS startup, u.first AS resume, coalesce(a.device_count, a.before_devices) AS devices
  FROM again a LEFT JOIN clock c ON c.run_key = a.run_key LEFT JOIN clock e ON e.run_key = a.before_key
    LEFT JOIN _redone(pick) d ON d.run_key = a.run_key LEFT JOIN resume u ON u.run_key = a.run_key
)
SELECT m.run_id, m.before, m.attempt, m.kept AS kept_step, m.redone_steps, m.redone_seconds, m.clock,
  CASE WHEN m.gap >= 0 THEN m.gap END AS gap_seconds, m.startup AS startup_seconds, m.devices,
  m.redone_seconds * m.devices / 3600 AS redone_chip_hours,
  CASE WHEN m.gap < 0 THEN NULL ELSE (coalesce(m.gap, 0) + coalesce(m.startup, 0)) * m.devices / 3600 END
    AS idle_chip_hours,
  CASE
    WHEN m.before_key IS NULL THEN 'cannot tell'
    WHEN s.last.kind = 'oom' THEN 'out of memory'
    WHEN l.last.val IS NOT NULL AND NOT isfinite(l.last.val) THEN format('loss was {} at step {}', l.last.val, l.last.step)
    WHEN s.last.kind = 'error' THEN 'error'
    WHEN s.last.kind = 'exit' THEN 'exit'
    WHEN m.before_status = 'completed' THEN 'none: the attempt before had ended by itself'
    ELSE 'cannot tell: the log ends without a word'
  END AS cause,
  CASE WHEN s.last IS NOT NULL THEN left(s.last.message, 200) END AS message,
  CASE
    WHEN s.last.kind = 'oom' THEN s.last.place
    WHEN l.last.val IS NOT NULL AND NOT isfinite(l.last.val) THEN _at(l.last.series_key, l.last.line)
    ELSE s.last.place
  END AS cause_source,
  CASE
    WHEN m.before_key IS NULL THEN 'the run that it continues is not in the store'
    WHEN m.gap < 0 THEN 'it started before the last record of the attempt before'
  END AS reason,
  m.experiment, coalesce(m.resume.place, b.at.path || ':' || b.at.line) AS source
FROM measured m
  LEFT JOIN said s ON s.run_key = m.before_key
  LEFT JOIN loss l ON l.run_key = m.before_key
  LEFT JOIN begin b ON b.run_key = m.run_key
ORDER BY m.experiment, m.attempt;
