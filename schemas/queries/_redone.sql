-- What each restart cost: the steps that it undid (see `_undone`), and the seconds that they had taken.
--
-- Seconds by the clock of the attempts that did them; before its first record an attempt went at its mean pace.  Where
-- no clock was logged: steps times their mean time, data wait included.  `clock` says which; NULL without either.
CREATE OR REPLACE MACRO _redone(pick) AS TABLE
WITH undone AS MATERIALIZED (FROM _undone(pick)),
tick AS (
  SELECT b.run_key, unnest(b.steps) AS step, unnest(coalesce(b.clock, b.joined)) AS tick
  FROM blocks b
  WHERE b.phase = 'train' AND b.run_key IN (SELECT u.done_key FROM undone u)
),
passed AS (
  SELECT u.run_key, u.done_key, max(t.tick) FILTER (t.step <= u.after) AS since,
    max(t.tick) FILTER (t.step <= u.upto) AS till, max(t.tick) FILTER (t.step = u.first_step) AS first,
    max(t.tick) AS last
  FROM undone u JOIN tick t ON t.run_key = u.done_key
  GROUP BY u.run_key, u.done_key
),
paced AS (
  SELECT u.*, p.since, p.till, p.first,
    epoch(p.last - p.first) / nullif(u.last_step - u.first_step, 0) AS per_step
  FROM undone u LEFT JOIN passed p ON p.run_key = u.run_key AND p.done_key = u.done_key
),
clocked AS MATERIALIZED (
  SELECT p.run_key, p.experiment, p.done_key, p.upto - p.after AS steps,
    coalesce(epoch(p.till - p.first), (p.upto - p.first_step) * p.per_step)
      - coalesce(epoch(p.since - p.first), (p.after - p.first_step) * p.per_step) AS seconds
  FROM paced p
),
step_time AS (
  SELECT q.run_key, avg(q.val) FILTER (q.metric = 'step_time')
    + CASE WHEN bool_or(q.apart) THEN coalesce(avg(q.val) FILTER (q.metric = 'data_time'), 0) ELSE 0 END AS seconds
  FROM (
    SELECT s.run_key, s.metric, s.definition = 'step_time@excl_data' AS apart, unnest(v.vals) AS val,
      unnest(v.shown) AS shown
    FROM series_rows s JOIN block_values v ON v.series_key = s.series_key
    WHERE s.run_key IN (SELECT c.done_key FROM clocked c WHERE c.seconds IS NULL) AND s.phase = 'train'
      AND s.device_index IS NULL AND s.metric IN ('step_time', 'data_time') AND NOT v.hidden
  ) q
  WHERE q.shown IS NOT FALSE AND isfinite(q.val)
  GROUP BY q.run_key
),
timed AS (
  SELECT c.run_key, c.experiment, c.steps, coalesce(c.seconds, c.steps * t.seconds) AS seconds,
    CASE WHEN c.seconds IS NOT NULL THEN 'logged' WHEN t.seconds IS NOT NULL THEN 'step times' END AS clock
  FROM clocked c LEFT JOIN step_time t ON t.run_key = c.done_key
)
SELECT d.run_key, d.experiment, sum(d.steps)::BIGINT AS steps,
  CASE WHEN count(d.seconds) = count(*) THEN sum(d.seconds) END AS seconds,
  CASE WHEN count(d.seconds) = count(*) THEN string_agg(DISTINCT d.clock, ', ' ORDER BY d.clock) END AS clock
FROM timed d
GROUP BY d.run_key, d.experiment;
