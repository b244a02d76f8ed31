-- How fast does each system serve, and how long do its users wait?
--
-- One row per cell of a serving benchmark: a run with one input length, output length and concurrency.  Speeds are
-- those of the whole system (`…_per_device` as stated, else divided by `device_count`), times are seconds.
-- `output_tokens_per_second` is the benchmark's TPS; what it counts as a token, and how its times are taken, say the
-- `…_definition` columns: only values of one definition can be compared.  `output_len_mode` tells constant from
-- random output lengths where the log lets it be known.
--
-- `ttft`, `tpot` and `e2e` are the times by `statistic`; the columns beside them are fixed percentiles.  Not every
-- benchmark prints every statistic.  `success` is the share of completed requests; where some failed `status` is
-- `partial` if the benchmark says so, and `error` tells which.
-- Cells that failed (none of their requests completed, or the log ends with an error) and cells without a speed
-- come last.  `source` is the line of the TPS value; of a failed cell the line of the error.
--
-- `without_tokens` counts, where each request has a record, those that count as completed although not one token came:
-- tools average their times as zeros, which flatters TTFT.
--
-- What no file states is computed from the requests where a run has one row for each; its definition then is
-- `…@requests`, and `source` the line of the first request.
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
    max(v.value) FILTER (v.metric = 'output_tokens_per_second_per_device' AND v.statistic IN ('value', 'mean'))
      AS tps_each,
    max(v.value) FILTER (v.metric = 'total_tokens_per_second' AND v.statistic IN ('value', 'mean')) AS total,
    max(v.value) FILTER (v.metric = 'total_tokens_per_second_per_device' AND v.statistic IN ('value', 'mean'))
      AS total_each,
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
    coalesce(
      max(v.definition) FILTER (v.metric = 'output_tokens_per_second'),
      max(v.definition) FILTER (v.metric = 'output_tokens_per_second_per_device')
    ) AS tps_definition,
    coalesce(
      max(v.definition) FILTER (v.metric = 'total_tokens_per_second'),
      max(v.definition) FILTER (v.metric = 'total_tokens_per_second_per_device')
    ) AS total_definition,
    max(v.definition) FILTER (v.metric = 'ttft') AS ttft_definition,
    max(v.definition) FILTER (v.metric = 'tpot') AS tpot_definition,
    max(v.definition) FILTER (v.metric = 'e2e_latency') AS e2e_definition,
    coalesce(
      min(v.place) FILTER (v.metric = 'output_tokens_per_second'),
      min(v.place) FILTER (v.metric = 'output_tokens_per_second_per_device')
    ) AS tps_place,
    min_by(v.place, v.line) AS any_place,
    bool_or(v.metric IN ('output_tokens_per_second', 'output_tokens_per_second_per_device')) AS says_tps,
    bool_or(v.metric = 'ttft') AS says_ttft,
    bool_or(v.metric = 'tpot') AS says_tpot, bool_or(v.metric = 'e2e_latency') AS says_e2e,
    count(*) OVER (PARTITION BY v.run_key) AS cells
  FROM _measured('serving') v
  WHERE v.subject IS NULL
  GROUP BY v.run_key, v.input_len, v.output_len, v.concurrency, v.request_rate
),
known AS (
  SELECT c.* EXCLUDE (
      input_len, output_len, concurrency, request_rate, output_len_mode, says_tps, says_ttft, says_tpot, says_e2e, cells
    ),
    a.* EXCLUDE (run_key, config),
    coalesce(c.input_len, a.known.input_len) AS input_len, coalesce(c.output_len, a.known.output_len) AS output_len,
    coalesce(c.concurrency, a.known.concurrency) AS concurrency,
    coalesce(c.request_rate, a.known.request_rate) AS request_rate,
    coalesce(a.config->>'output_len_mode', c.output_len_mode) AS output_len_mode,
    coalesce(c.tps_value, c.tps_mean) AS tps, q.sums AS requested, r.dataset, r.parallelism,
    coalesce(c.completed, c.success_rate) IS NOT NULL AS says_success,
    -- what a cell states stands; what it does not state may be computed, but never half of one metric
    c.says_tps IS NOT TRUE AND q.sums.tps IS NOT NULL AS adds_tps,
    c.says_ttft IS NOT TRUE AND q.sums.ttft.mid IS NOT NULL AS adds_ttft,
    c.says_tpot IS NOT TRUE AND q.sums.tpot.mid IS NOT NULL AS adds_tpot,
    c.says_e2e IS NOT TRUE AND q.sums.e2e.mid IS NOT NULL AS adds_e2e
  FROM _asked('serving', pick, model, device) a
    JOIN run_rows r ON r.run_key = a.run_key
    LEFT JOIN cell c ON c.run_key = a.run_key
    LEFT JOIN _requested(statistic, pick, model, device) q ON q.run_key = a.run_key AND coalesce(c.cells, 1) = 1
),
filled AS (
  SELECT k.* EXCLUDE (requested, completed, failed) REPLACE (
      CASE WHEN k.adds_tps THEN k.requested.tps ELSE k.tps END AS tps,
      CASE WHEN k.adds_tps AND k.total IS NULL THEN k.requested.total ELSE k.total END AS total,
      CASE WHEN k.adds_tps AND k.qps IS NULL THEN k.requested.qps ELSE k.qps END AS qps,
      CASE WHEN k.adds_ttft THEN k.requested.ttft.mid ELSE k.ttft_p50 END AS ttft_p50,
      CASE WHEN k.adds_ttft THEN k.requested.ttft.high ELSE k.ttft_p99 END AS ttft_p99,
      CASE WHEN k.adds_ttft THEN k.requested.ttft.chosen ELSE k.ttft END AS ttft,
      CASE WHEN k.adds_tpot THEN k.requested.tpot.mid ELSE k.tpot_p50 END AS tpot_p50,
      CASE WHEN k.adds_tpot THEN k.requested.tpot.high ELSE k.tpot_p99 END AS tpot_p99,
      CASE WHEN k.adds_tpot THEN k.requested.tpot.chosen ELSE k.tpot END AS tpot,
      CASE WHEN k.adds_e2e THEN k.requested.e2e.mid ELSE k.e2e_p50 END AS e2e_p50,
      CASE WHEN k.adds_e2e THEN k.requested.e2e.high ELSE k.e2e_p99 END AS e2e_p99,
      CASE WHEN k.adds_e2e THEN k.requested.e2e.chosen ELSE k.e2e END AS e2e,
      CASE WHEN k.adds_tps THEN 'output_tokens_per_second@requests' ELSE k.tps_definition END AS tps_definition,
      CASE WHEN k.adds_tps AND k.total IS NULL THEN 'total_tokens_per_second@requests' ELSE k.total_definition END
        AS total_definition,
      CASE WHEN k.adds_ttft THEN 'ttft@requests' ELSE k.ttft_definition END AS ttft_definition,
      CASE WHEN k.adds_tpot THEN 'tpot@requests' ELSE k.tpot_definition END AS tpot_definition,
      CASE WHEN k.adds_e2e THEN 'e2e_latency@requests' ELSE k.e2e_definition END AS e2e_definition,
      CASE WHEN k.adds_tps THEN k.requested.place ELSE k.tps_place END AS tps_place
    ),
    CASE WHEN coalesce(k.completed, k.requested.completed) = 0 OR k.status = 'failed' THEN 'failed' ELSE k.status END
      AS outcome,
    k.requested.without_tokens AS without_tokens,
    CASE WHEN k.says_success THEN k.completed ELSE k.requested.completed END AS completed,
    CASE WHEN k.says_success THEN k.failed ELSE k.requested.failed END AS failed
  FROM known k
),
judged AS (
  SELECT f.*,
    f.outcome IS NOT DISTINCT FROM 'failed' OR NOT coalesce(isfinite(f.tps), isfinite(f.tps_each), false) AS bad
  FROM filled f
)
SELECT j.model, j.device, j.vendor, j.device_count, j.input_len, j.output_len, j.concurrency, j.request_rate,
  j.tps AS output_tokens_per_second,
  coalesce(j.tps_each, j.tps / nullif(j.device_count, 0)) AS output_tokens_per_second_per_device,
  j.total AS total_tokens_per_second,
  coalesce(j.total_each, j.total / nullif(j.device_count, 0)) AS total_tokens_per_second_per_device,
  j.qps AS requests_per_second, j.ttft_p50, j.ttft_p99, j.tpot_p50, j.tpot_p99, j.e2e_p50, j.e2e_p99, j.ttft, j.tpot,
  j.e2e,
  coalesce(j.completed / nullif(j.completed + j.failed, 0), j.success_rate) AS success, j.without_tokens,
  j.outcome AS status,
  CASE WHEN j.bad OR j.outcome <> 'completed' THEN j.error END AS error, j.framework, j.precision, j.parallelism, j.dataset, j.output_len_mode,
  j.tps_definition, j.total_definition, j.ttft_definition, j.tpot_definition, j.e2e_definition, j.run_id,
  CASE WHEN j.bad AND j.error IS NOT NULL THEN j.place ELSE coalesce(j.tps_place, j.any_place, j.place) END AS source
FROM judged j
ORDER BY j.bad, j.model, j.device, j.vendor, j.input_len, j.output_len, j.concurrency, j.request_rate, j.run_id;
