-- Tokens per second of each run and case, with the MFU that was published beside it.
--
-- Of a run with logged steps: the steady speed per device of `throughput`.  Else the stated value: per device, of the
-- system, of the forward pass of an inference, of all tokens of a serving benchmark.  Where only generated tokens are
-- counted, `partial` says so.  `speed` is the system's unless `is_per_device`.  `published` is the stated MFU, of
-- logged ones the median over the steps of that speed.
CREATE OR REPLACE MACRO _token_speed(pick) AS TABLE
WITH asked AS MATERIALIZED (
  SELECT k.run_key, r.run_id, r.kind FROM _picked(pick) k JOIN run_rows r ON r.run_key = k.run_key
),
said AS MATERIALIZED (
  SELECT m.run_key, m.metric, m.statistic, m.value, m.definition, m.input_len, m.output_len, m.concurrency,
    m.batch_size, m.line, w.path || coalesce(':' || m.line, '') AS place,
    CASE m.metric
      WHEN 'tokens_per_second_per_device' THEN 1
      WHEN 'tokens_per_second' THEN 2
      WHEN 'inference_throughput_core' THEN 3
      WHEN 'inference_throughput' THEN 4
      WHEN 'validation_throughput_core' THEN 5
      WHEN 'validation_throughput' THEN 6
      WHEN 'total_tokens_per_second' THEN 7
      WHEN 'output_tokens_per_second' THEN 8
    END AS rank,
    coalesce(m.unit, c.unit) AS unit
  FROM measurement_rows m
    JOIN asked a ON a.run_key = m.run_key
    JOIN source_rows w ON w.source_key = m.source_key
    LEFT JOIN metrics c ON c.name = m.metric
  WHERE m.hidden IS NOT TRUE AND isfinite(m.value) AND m.subject IS NOT DISTINCT FROM
      (CASE WHEN m.metric LIKE '%throughput%' THEN m.subject END)
    AND m.statistic IN ('value', 'mean', 'min', 'max')
),
logged AS MATERIALIZED (
  SELECT a.run_key, t.tokens_per_second_per_device AS speed, t.definition, t.devices, t.devices_from,
    t.first_step, t.last_step, t.source AS place
  FROM throughput(pick := pick) t JOIN asked a ON a.run_id = t.run_id
  WHERE t.tokens_per_second_per_device IS NOT NULL
),
stated AS (
  SELECT s.run_key, s.input_len, s.output_len, s.concurrency, s.batch_size,
    min_by(
      {value: s.value, metric: s.metric, definition: s.definition, place: s.place, rank: s.rank},
      (s.rank, coalesce(s.definition, '~'), s.line)
    ) AS best
  FROM said s
  WHERE s.rank IS NOT NULL AND s.statistic IN ('value', 'mean') AND s.unit LIKE 'token/s%'
    AND NOT EXISTS (SELECT 1 FROM logged l WHERE l.run_key = s.run_key)
  GROUP BY s.run_key, s.input_len, s.output_len, s.concurrency, s.batch_size
),
logged_mfu AS (
  SELECT s.run_key, median(s.value) AS mfu, any_value(s.definition) AS definition
  FROM (
    SELECT x.run_key, x.definition, unnest(b.steps) AS step, unnest(v.vals) AS value, unnest(v.shown) AS shown
    FROM series_rows x
      JOIN asked a ON a.run_key = x.run_key
      JOIN block_values v ON v.series_key = x.series_key
      JOIN blocks b ON b.block_key = v.block_key
    WHERE x.metric = 'mfu' AND NOT v.hidden
  ) s
    LEFT JOIN logged l ON l.run_key = s.run_key
  WHERE isfinite(s.value) AND s.shown IS NOT FALSE AND coalesce(s.step BETWEEN l.first_step AND l.last_step, true)
  GROUP BY s.run_key
),
published AS (
  SELECT coalesce(s.run_key, g.run_key) AS run_key, coalesce(s.low, g.mfu) AS mfu, s.high,
    coalesce(s.definition, g.definition) AS definition, s.place
  FROM (
    SELECT p.run_key, min(p.value) AS low, max(p.value) FILTER (p.statistic = 'max') AS high,
      min(p.definition) AS definition, min_by(p.place, p.line) AS place
    FROM said p WHERE p.metric = 'mfu'
    GROUP BY p.run_key
  ) s FULL JOIN logged_mfu g ON g.run_key = s.run_key
)
SELECT a.run_key, a.run_id, a.kind, coalesce(l.speed, s.best.value) AS speed,
  l.speed IS NOT NULL OR s.best.rank = 1 AS is_per_device, s.best.rank = 8 AND l.speed IS NULL AS partial,
  coalesce(l.definition, s.best.definition, s.best.metric) AS definition, l.devices, l.devices_from,
  s.input_len, s.output_len, s.concurrency, s.batch_size,
  p.mfu AS published, p.high AS published_max, p.definition AS published_definition,
  coalesce(l.place, s.best.place, p.place) AS place
FROM asked a
  LEFT JOIN logged l ON l.run_key = a.run_key
  LEFT JOIN stated s ON s.run_key = a.run_key
  LEFT JOIN published p ON p.run_key = a.run_key
WHERE l.run_key IS NOT NULL OR s.run_key IS NOT NULL OR p.run_key IS NOT NULL;
