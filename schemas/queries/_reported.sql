-- Values of some metrics as the runs state them: one row per run, case, subject, metric, statistic and definition.
--
-- `metrics` is a list of names.  A run that repeats a statement counts once, with its first line.  `samples` are the
-- completed requests of a serving cell.  `conditions` are those that the columns do not hold (of operators: shapes).
CREATE OR REPLACE MACRO _reported(metrics, pick) AS TABLE
WITH serving AS (
  SELECT v.run_key, v.input_len, v.output_len, v.concurrency, v.request_rate, v.batch_size, v.subject, v.metric,
    v.statistic, v.definition, v.unit, v.value, v.place, v.conditions->>'output_len_mode' AS output_len_mode,
    max(v.value) FILTER (v.metric = 'completed_requests') OVER (
      PARTITION BY v.run_key, v.input_len, v.output_len, v.concurrency, v.request_rate
    ) AS samples
  FROM _measured('serving') v JOIN _picked(pick) k ON k.run_key = v.run_key
  WHERE v.metric = 'completed_requests' OR list_contains(metrics, v.metric)
),
stated AS (
  SELECT m.run_key, m.input_len, m.output_len, m.concurrency, m.request_rate, m.batch_size, m.subject, m.metric,
    m.statistic, m.definition, m.unit, m.value, w.path || coalesce(':' || m.line, '') AS place,
    m.conditions::VARCHAR AS conditions
  FROM measurement_rows m
    JOIN run_rows r ON r.run_key = m.run_key
    JOIN _picked(pick) k ON k.run_key = m.run_key
    JOIN source_rows w ON w.source_key = m.source_key
  WHERE r.kind <> 'serving' AND m.hidden IS NOT TRUE AND list_contains(metrics, m.metric)
  QUALIFY row_number() OVER (
    PARTITION BY m.run_key, m.input_len, m.output_len, m.concurrency, m.request_rate, m.batch_size, m.subject,
      m.metric, m.statistic, m.definition, m.conditions::VARCHAR
    ORDER BY m.value IS NULL, m.precision = 'full' DESC NULLS LAST, w.path, m.line
  ) = 1
)
SELECT s.run_key, s.input_len, s.output_len, s.concurrency, s.request_rate, s.batch_size, s.subject, s.metric,
  s.statistic, s.definition, coalesce(s.unit, c.unit) AS unit, s.value, s.place, s.samples, s.output_len_mode,
  NULL AS conditions
FROM serving s LEFT JOIN metrics c ON c.name = s.metric
WHERE list_contains(metrics, s.metric)
UNION ALL
SELECT t.run_key, coalesce(t.input_len, e.input_len), coalesce(t.output_len, e.output_len),
  coalesce(t.concurrency, e.concurrency), coalesce(t.request_rate, e.request_rate), t.batch_size, t.subject, t.metric,
  t.statistic, t.definition, coalesce(t.unit, c.unit), t.value, t.place, NULL, NULL, t.conditions
FROM stated t
  LEFT JOIN metrics c ON c.name = t.metric
  JOIN (SELECT r.run_key, unnest(_case(r.config, r.labels)) FROM run_rows r) e ON e.run_key = t.run_key;
