-- How did the speed of each training run go over its steps?
--
-- One row per run and window of `every` steps, warm-up included: the picture behind `throughput`, with the same
-- definitions.  `ratio` is the window's speed over the median of the run's windows.
--
-- parameter: every BIGINT = 100 in 1.. -- steps per window
-- parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
CREATE OR REPLACE MACRO throughput_trend(every BIGINT := 100, pick VARCHAR := '*') AS TABLE
WITH windowed AS (
  SELECT s.run_key, min(s.step) AS first_step, max(s.step) AS last_step,
    count(*) AS records, sum(s.work) / sum(s.span) AS speed,
    avg(s.seconds) AS step_time,
    sum(s.data) / sum(CASE WHEN s.data IS NOT NULL THEN s.seconds END) AS data_share,
    min_by({series_key: s.series_key, line: s.line}, s.step) AS start
  FROM _step_speed(pick, 0, 'single') s
  GROUP BY s.run_key, (s.step - 1) // every
)
SELECT k.run_id, v.first_step, v.last_step,
  v.speed * c.scale AS tokens_per_second_per_device, v.step_time, v.data_share,
  v.speed / median(v.speed) OVER (PARTITION BY v.run_key) AS ratio, v.records, k.experiment,
  p.path || coalesce(':' || v.start.line, '') AS source
FROM windowed v
  JOIN _devices(pick) c ON c.run_key = v.run_key
  JOIN run_rows k ON k.run_key = v.run_key
  JOIN series_rows x ON x.series_key = v.start.series_key
  JOIN source_rows p ON p.source_key = x.source_key
ORDER BY k.run_id, v.first_step;
