-- Every value of every run that has a good and a bad direction, with what must be equal for values to form a series.
--
-- Measurements (values, means and percentiles: the spread of a benchmark's requests is no series to watch), and of
-- training logs the speed and step time of their steady state (see `throughput`).  Device and model are the
-- catalogue's where it knows them.  `host` is what environment or labels say of the machine.
CREATE OR REPLACE MACRO _dated(pick) AS TABLE
WITH measured AS (
  SELECT m.run_key, m.metric, m.statistic, m.subject, m.input_len, m.output_len, m.concurrency, m.request_rate,
    m.batch_size, m.value, m.definition, w.path || coalesce(':' || m.line, '') AS place
  FROM measurement_rows m JOIN source_rows w ON w.source_key = m.source_key
  WHERE m.hidden IS NOT TRUE AND isfinite(m.value)
    AND (m.statistic IN ('value', 'mean') OR regexp_full_match(m.statistic, 'p[0-9.]+'))
),
steady AS (
  SELECT r.run_key, t.*
  FROM throughput(pick := pick) t JOIN run_rows r ON r.run_id = t.run_id
),
logged AS (
  SELECT s.run_key, 'tokens_per_second_per_device' AS metric, s.tokens_per_second_per_device AS value, s.definition,
    s.source AS place
  FROM steady s
  UNION ALL
  SELECT s.run_key, 'step_time', s.step_time, 'step_time@steady_mean', s.source
  FROM steady s
),
told AS (
  FROM measured
  UNION ALL
  SELECT l.run_key, l.metric, 'value', NULL, NULL, NULL, NULL, NULL, NULL, l.value, l.definition, l.place
  FROM logged l
  WHERE isfinite(l.value)
)
SELECT k.run_key, k.run_id, k.experiment, coalesce(r.started_at, r.ended_at) AS started_at, r.kind, coalesce(m.model, r.model) AS model, r.dataset,
  r.framework, r.precision, r.parallelism, d.vendor, coalesce(d.device, r.device) AS device, r.device_count,
  r.node_count, coalesce(r.environment->>'host', r.environment->>'hostname', r.labels->>'host') AS host,
  t.* EXCLUDE (run_key), c.unit, c.direction
FROM told t
  JOIN _picked(pick) k ON k.run_key = t.run_key
  JOIN run_rows r ON r.run_key = t.run_key
  JOIN metrics c ON c.name = t.metric AND c.direction != 'none'
  JOIN _run_device() d ON d.run_key = t.run_key
  JOIN _run_model() m ON m.run_key = t.run_key;
