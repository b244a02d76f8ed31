-- Values of the runs of one kind: one row per run, case, subject, metric and statistic.
--
-- A condition that the file of a value leaves out is the one that the run's other files give, else that of the run's
-- configuration or labels.  Where several values are left after the store has chosen the better file, one that counts
-- tokens stands before one that counts chunks or lengths as asked for (llm_profiler's beside our own of the same
-- cell), then the more precise one, then the first by definition and place.
CREATE OR REPLACE MACRO _measured(of_kind) AS TABLE
WITH case_of AS (
  SELECT m.run_key, _case(any_value(r.config), any_value(r.labels)) AS known,
    CASE WHEN count(DISTINCT m.input_len) = 1 THEN min(m.input_len) END AS input_len,
    CASE WHEN count(DISTINCT m.output_len) = 1 THEN min(m.output_len) END AS output_len,
    CASE WHEN count(DISTINCT m.concurrency) = 1 THEN min(m.concurrency) END AS concurrency,
    CASE WHEN count(DISTINCT m.request_rate) = 1 THEN min(m.request_rate) END AS request_rate
  FROM measurement_rows m JOIN run_rows r ON r.run_key = m.run_key
  WHERE r.kind = of_kind AND m.hidden IS NOT TRUE
  GROUP BY m.run_key
),
said AS (
  SELECT m.run_key, m.subject, m.batch_size, m.metric, m.statistic, m.value, m.unit, m.definition, m.line,
    m.precision, m.conditions, m.source_key,
    coalesce(m.input_len, c.input_len, c.known.input_len) AS input_len,
    coalesce(m.output_len, c.output_len, c.known.output_len) AS output_len,
    coalesce(m.concurrency, c.concurrency, c.known.concurrency) AS concurrency,
    coalesce(m.request_rate, c.request_rate, c.known.request_rate) AS request_rate
  FROM measurement_rows m JOIN case_of c ON c.run_key = m.run_key
  WHERE m.hidden IS NOT TRUE
)
SELECT s.*, w.path || coalesce(':' || s.line, '') AS place
FROM said s LEFT JOIN source_rows w ON w.source_key = s.source_key
QUALIFY row_number() OVER (
  PARTITION BY s.run_key, s.input_len, s.output_len, s.concurrency, s.request_rate, s.subject, s.metric, s.statistic
  ORDER BY s.value IS NULL, coalesce(s.definition IN (
    'completed_requests@two_chunks', 'failed_requests@fewer_than_two_chunks', 'success_rate@two_chunks',
    'requests_per_second@valid', 'input_tokens@nominal', 'output_tokens@chunks', 'tpot@mean_chunk_gap',
    'input_tokens_per_second@nominal', 'output_tokens_per_second@chunks',
    'total_tokens_per_second@nominal_in_chunks_out'), false), s.precision = 'full' DESC NULLS LAST, s.definition, w.path, s.line
) = 1;
