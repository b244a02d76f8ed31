-- How fast does each system serve, and how long do its users wait?
--
-- One row per cell of a serving benchmark: a run with one input length, output length and concurrency.  Speeds are
-- those of the whole system (`…_per_device` divides by `device_count`), times are seconds.
-- `output_tokens_per_second` is the benchmark's TPS; what it counts as a token, and how its times are taken, say the
-- `…_definition` columns: only values of one definition can be compared.  `output_len_mode` tells constant from
-- random output lengths where the log lets it be known.
--
-- `ttft`, `tpot` and `e2e` are the times by `statistic`; the columns beside them are fixed percentiles.  Not every
-- benchmark prints every statistic.  `success` is the share of completed requests.
-- Cells that failed (none of their requests completed, or the log ends with an error) and cells without a speed
-- come last.  `source` is the line of the TPS value; of a failed cell the line of the error.
--
-- parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
-- parameter: model VARCHAR = '*' -- model, or a pattern with *
-- parameter: device VARCHAR = '*' -- device or vendor, or a pattern with *
-- parameter: statistic VARCHAR = 'mean' -- statistic of the columns ttft, tpot and e2e: mean, p90, p95, max …
CREATE OR REPLACE MACRO serving(
  pick VARCHAR := '*', model VARCHAR := '*', device VARCHAR := '*', statistic VARCHAR := 'mean'
) AS TABLE
WITH cell AS (
  SELECT v.run_key, v.input_len, v.output_len, v.concurrency, v.request_rate,
    max(v.value) FILTER (v.metric = 'output_tokens_per_second' AND v.statistic = 'value') AS tps_value,
    max(v.value) FILTER (v.metric = 'output_tokens_per_second' AND v.statistic = 'mean') AS tps_mean,
    max(v.value) FILTER (v.metric = 'total_tokens_per_second' AND v.statistic IN ('value', 'mean')) AS total,
    max(v.value) FILTER (v.metric = 'requests_per_second' AND v.statistic IN ('value', 'mean')) AS qps,
    max(v.value) FILTER (v.metric = 'ttft' AND v.statistic = 'p50') AS ttft_p50,
    max(v.value) FILTER (v.metric = 'ttft' AND v.statistic = 'p99') AS ttft_p99,
    max(v.value) FILTER (v.metric = 'ttft' AND v.statistic = statistic) AS ttft,
    max(v.value) FILTER (v.metric = 'tpot' AND v.statistic = 'p50') AS tpot_p50,
    max(v.value) FILTER (v.metric = 'tpot' AND v.statistic = 'p99') AS tpot_p99,
    max(v.value) FILTER (v.metric = 'tpot' AND v.statistic = statistic) AS tpot,
    max(v.value) FILTER (v.metric = 'e2e_latency' AND v.statistic = 'p50') AS e2e_p50,
    max(v.value) FILTER (v.metric = 'e2e_latency' AND v.statistic = 'p99') AS e2e_p99,
    max(v.value) FILTER (v.metric = 'e2e_latency' AND v.statistic = statistic) AS e2e,
    max(v.value) FILTER (v.metric = 'completed_requests') AS completed,
    max(v.value) FILTER (v.metric = 'failed_requests') AS failed,
    max(v.value) FILTER (v.metric = 'success_rate') AS success_rate,
    max(v.conditions->>'output_len_mode') AS output_len_mode,
    max(v.definition) FILTER (v.metric = 'output_tokens_per_second') AS tps_definition,
    max(v.definition) FILTER (v.metric = 'ttft') AS ttft_definition,
    max(v.definition) FILTER (v.metric = 'tpot') AS tpot_definition,
    max(v.definition) FILTER (v.metric = 'e2e_latency') AS e2e_definition,
    min(v.place) FILTER (v.metric = 'output_tokens_per_second') AS tps_place, min_by(v.place, v.line) AS any_place
  FROM _measured('serving') v
  WHERE v.subject IS NULL
  GROUP BY v.run_key, v.input_len, v.output_len, v.concurrency, v.request_rate
),
known AS (
  SELECT c.* EXCLUDE (input_len, output_len, concurrency, request_rate), a.* EXCLUDE (run_key),
    coalesce(c.input_len, a.known.input_len) AS input_len, coalesce(c.output_len, a.known.output_len) AS output_len,
    coalesce(c.concurrency, a.known.concurrency) AS concurrency,
    coalesce(c.request_rate, a.known.request_rate) AS request_rate,
    coalesce(c.tps_value, c.tps_mean) AS tps,
    CASE WHEN c.completed = 0 OR a.status = 'failed' THEN 'failed' ELSE a.status END AS outcome
  FROM _asked('serving', pick, model, device) a LEFT JOIN cell c ON c.run_key = a.run_key
),
judged AS (
  SELECT k.*, k.outcome IS NOT DISTINCT FROM 'failed' OR NOT coalesce(isfinite(k.tps), false) AS bad
  FROM known k
)
SELECT j.model, j.device, j.vendor, j.device_count, j.input_len, j.output_len, j.concurrency, j.request_rate,
  j.tps AS output_tokens_per_second, j.tps / nullif(j.device_count, 0) AS output_tokens_per_second_per_device,
  j.total AS total_tokens_per_second, j.qps AS requests_per_second, j.ttft_p50, j.ttft_p99, j.tpot_p50, j.tpot_p99,
  j.e2e_p50, j.e2e_p99, j.ttft, j.tpot, j.e2e,
  coalesce(j.completed / nullif(j.completed + j.failed, 0), j.success_rate) AS success, j.outcome AS status,
  CASE WHEN j.bad THEN j.error END AS error, j.framework, j.output_len_mode, j.tps_definition, j.ttft_definition,
  j.tpot_definition, j.e2e_definition, j.run_id,
  CASE WHEN j.bad AND j.error IS NOT NULL THEN j.place ELSE coalesce(j.tps_place, j.any_place, j.place) END AS source
FROM judged j
ORDER BY j.bad, j.model, j.device, j.vendor, j.input_len, j.output_len, j.concurrency, j.request_rate, j.run_id;
