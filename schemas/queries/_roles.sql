-- Series that tell the speed of a training run, and what they are to it.
--
-- `role`: `tokens` (of one step on one rank), `rate` (tokens per second per device), `time`, `data` (seconds).  The
-- speed comes from `driver`: tokens over time where both are logged, else the rate, else the time alone.  Where a run logs rates
-- of several definitions one is taken: the one that knows of gradient accumulation first.
-- `apart`: the logged step time leaves the data wait out.
CREATE OR REPLACE MACRO _roles(pick) AS TABLE
WITH role AS (
  SELECT k.run_key, s.series_key, coalesce(s.rank, 0) AS rank, s.definition, s.n,
    CASE
      WHEN s.metric IN ('tokens', 'step_tokens') THEN 'tokens'
      WHEN s.metric = 'tokens_per_second_per_device' THEN 'rate'
      WHEN s.metric = 'step_time' THEN 'time'
      ELSE 'data'
    END AS role
  FROM series_rows s JOIN _picked(pick) k ON k.run_key = s.run_key
  WHERE s.phase = 'train' AND s.device_index IS NULL AND s.n > s.non_finite
    AND s.metric IN ('tokens', 'step_tokens', 'tokens_per_second_per_device', 'step_time', 'data_time')
  QUALIFY rank() OVER (
    PARTITION BY k.run_key, role
    ORDER BY CASE s.definition
      WHEN 'tgs@grad_accum_window' THEN 1 WHEN 'tgs@micro_step' THEN 2 WHEN 'tgs@rank_local' THEN 3 ELSE 4
    END, s.metric, s.definition
  ) = 1
),
of_run AS (
  SELECT r.run_key,
    CASE
      WHEN bool_or(r.role = 'tokens') AND bool_or(r.role = 'time') THEN 'tokens'
      WHEN bool_or(r.role = 'rate') THEN 'rate'
      WHEN bool_or(r.role = 'time') THEN 'time'
    END AS driver,
    coalesce(bool_or(r.definition = 'step_time@excl_data'), false) AS apart
  FROM role r
  GROUP BY r.run_key
)
SELECT r.*, o.driver, o.apart,
  min(r.rank) FILTER (r.role = o.driver) OVER (PARTITION BY r.run_key) AS lead_rank,
  max(r.rank) FILTER (r.role = o.driver) OVER (PARTITION BY r.run_key) > lead_rank AS several,
  greatest(1, max(r.n) FILTER (r.role = o.driver) OVER (PARTITION BY r.run_key) // 10000) AS stride
FROM role r JOIN of_run o ON o.run_key = r.run_key
WHERE o.driver IS NOT NULL;
