-- Series that tell the speed of a training run, and what they are to it.
--
-- `role`: `tokens` (of one step on one rank), `rate` (tokens per second per device), `time`, `data` (seconds).  The
-- speed comes from `driver`: tokens over time where both are logged, else the rate, else the time alone.  Where a run logs rates
-- of several definitions one is taken: the one that knows of gradient accumulation first.
-- `apart`: the logged step time leaves the data wait out.
CREATE OR REPLACE MACRO _roles(pick) AS TABLE
WITH logged AS (
  SELECT k.run_key, s.series_key, coalesce(s.rank, 0) AS rank, s.metric, s.definition, s.n,
    CASE
      WHEN s.metric IN ('tokens', 'step_tokens') THEN 'tokens'
      WHEN s.metric = 'tokens_per_second_per_device' THEN 'rate'
      WHEN s.metric = 'step_time' THEN 'time'
      ELSE 'data'
    END AS role
  FROM series_rows s JOIN _picked(pick) k ON k.run_key = s.run_key
  WHERE s.phase = 'train' AND s.device_index IS NULL AND s.n > s.non_finite
    AND s.metric IN ('tokens', 'step_tokens', 'tokens_per_second_per_device', 'step_time', 'data_time')
),
one_each AS (
  SELECT l.*
  FROM logged l
  QUALIFY rank() OVER (
    PARTITION BY l.run_key, l.role
    ORDER BY CASE l.definition
      WHEN 'tgs@grad_accum_window' THEN 1 WHEN 'tgs@micro_step' THEN 2 WHEN 'tgs@rank_local' THEN 3 ELSE 4
    END, l.metric, l.definition
  ) = 1
),
of_run AS (
  SELECT o.run_key,
    CASE
      WHEN bool_or(o.role = 'tokens') AND bool_or(o.role = 'time') THEN 'tokens'
      WHEN bool_or(o.role = 'rate') THEN 'rate'
      WHEN bool_or(o.role = 'time') THEN 'time'
    END AS driver,
    coalesce(bool_or(o.definition = 'step_time@excl_data'), false) AS apart
  FROM one_each o
  GROUP BY o.run_key
),
spread AS (
  SELECT o.run_key, min(o.rank) AS lead_rank, min(o.rank) < max(o.rank) AS several,
    greatest(1, max(o.n) // 10000) AS stride
  FROM one_each o JOIN of_run f ON f.run_key = o.run_key AND f.driver = o.role
  GROUP BY o.run_key
)
SELECT o.run_key, o.series_key, o.rank, o.definition, o.role, f.driver, f.apart, p.lead_rank, p.several, p.stride
FROM one_each o JOIN of_run f ON f.run_key = o.run_key JOIN spread p ON p.run_key = o.run_key;
