-- What did each device reach on each model?
--
-- One row per result: a row of a published table, or a run that logged one.  For comparing vendors over FlagPerf's
-- result pages, and over every other file that states results of a training or an inference (without a kind, these
-- two; `kind := 'microbenchmark'` shows chips and operators, whose `model` is the benchmark).  `nodes` and `devices`
-- count all of a run.
--
-- `throughput` is the headline in `unit`s: tokens where they were counted, else samples, in the form that leaves data
-- handling out where both were published (`metric` and `throughput_definition` say which).  `per_device` is the same
-- for one device, NULL where nobody said how many there were.  Compare rows of one `metric` and one definition only.
-- `run_time` is in seconds (of MLPerf the time to train), memory in GiB of one device, `accuracy` and `mfu` are
-- fractions (`mfu_max`: upper end where a range was published; `mfu_definition`: over which peak).  `accuracy_of` is
-- the task or stage; of an inference it is the vendor's engine.  `score` is the quality where none is an accuracy
-- (`score_metric`: mAP, perplexity …). `settings` are the tool, stage, batch size and changed parameters that tell
-- rows of one model apart. Failed runs (out of memory) come last.  `source` is the line of the throughput, else the
-- first with a value.
--
-- parameter: pick VARCHAR = '*' -- run, or a pattern with * of it
-- parameter: model VARCHAR = '*' -- model, or a pattern with *
-- parameter: device VARCHAR = '*' -- device or vendor, or a pattern with *
-- parameter: kind VARCHAR = '*' -- training, inference or microbenchmark; * is the first two
CREATE OR REPLACE MACRO results(
  pick VARCHAR := '*', model VARCHAR := '*', device VARCHAR := '*', kind VARCHAR := '*'
) AS TABLE
WITH asked AS (
  SELECT a.*, 'training' AS of_kind FROM _asked('training', pick, model, device) a WHERE kind IN ('*', 'training')
  UNION ALL
  SELECT a.*, 'inference' AS of_kind FROM _asked('inference', pick, model, device) a WHERE kind IN ('*', 'inference')
  UNION ALL
  SELECT a.*, 'microbenchmark' AS of_kind FROM _asked('microbenchmark', pick, '*', device) a
  WHERE kind = 'microbenchmark'
),
said AS (
  SELECT m.run_key, m.metric, m.statistic, m.subject, m.value, m.definition, m.batch_size, m.line,
    coalesce(m.unit, c.unit) AS unit, w.path || coalesce(':' || m.line, '') AS place,
    CASE m.metric
      WHEN 'tokens_per_second_per_device' THEN 1
      WHEN 'tokens_per_second' THEN 2
      WHEN 'inference_throughput_core' THEN 3
      WHEN 'inference_throughput' THEN 4
      WHEN 'samples_per_second' THEN 5
      WHEN 'output_tokens_per_second' THEN 6
      WHEN 'validation_throughput_core' THEN 7
      WHEN 'validation_throughput' THEN 8
      WHEN 'achieved_flops' THEN CASE WHEN a.of_kind = 'microbenchmark' THEN 9 END
      WHEN 'achieved_ops' THEN 10
      WHEN 'bandwidth' THEN 11
      WHEN 'operator_calls_per_second' THEN 12
    END AS speed_rank,
    CASE m.metric
      WHEN 'mean_average_precision' THEN 1 WHEN 'roc_auc' THEN 2 WHEN 'novel_unique_valid' THEN 3
      WHEN 'perplexity' THEN 4 WHEN 'bleu' THEN 5 WHEN 'rouge1' THEN 6 WHEN 'clip_score' THEN 7
    END AS score_rank,
    CASE
      WHEN m.subject = 'inference' THEN 0 WHEN m.subject = 'validation' THEN 2
      WHEN m.subject SIMILAR TO '(inference|validation)/.*' THEN 3  -- a part of one: a subject, the last words
      ELSE 1
    END AS subject_rank
  FROM measurement_rows m
    JOIN asked a ON a.run_key = m.run_key
    JOIN source_rows w ON w.source_key = m.source_key
    LEFT JOIN metrics c ON c.name = m.metric
  WHERE m.hidden IS NOT TRUE AND isfinite(m.value)
),
ordered AS (
  SELECT s.*,
    -- without data handling first, then without evaluation; what has no definition last
    (s.speed_rank, s.statistic NOT IN ('value', 'mean'),
      NOT coalesce(s.definition LIKE '%@compute\_only' ESCAPE '\', false), coalesce(s.definition, '~'), s.line
    ) AS speed_order
  FROM said s
),
result AS (
  SELECT o.run_key,
    min_by({value: o.value, unit: o.unit, metric: o.metric, definition: o.definition, place: o.place}, o.speed_order)
      FILTER (o.speed_rank IS NOT NULL) AS speed,
    min_by({value: o.value, subject: o.subject}, (o.subject_rank, coalesce(o.subject, ''), o.line))
      FILTER (o.metric = 'accuracy' AND o.statistic IN ('value', 'mean')) AS accuracy,
    min_by({value: o.value, metric: o.metric}, (o.score_rank, o.subject_rank, coalesce(o.subject, ''), o.line))
      FILTER (o.score_rank IS NOT NULL AND o.statistic IN ('value', 'mean')) AS score,
    min_by(o.value, (o.subject_rank, o.line)) FILTER (o.metric = 'loss' AND o.statistic IN ('value', 'mean')) AS loss,
    coalesce(
      max(o.value) FILTER (o.metric = 'mfu' AND o.statistic IN ('value', 'mean')),
      max(o.value) FILTER (o.metric = 'mfu' AND o.statistic = 'min')
    ) AS mfu,
    max(o.value) FILTER (o.metric = 'mfu' AND o.statistic = 'max') AS mfu_max,
    max(o.definition) FILTER (o.metric = 'mfu') AS mfu_definition,
    max(o.value) FILTER (o.metric IN ('run_time', 'time_to_train')) AS run_time,
    max(o.value) FILTER (o.metric = 'memory_used') / 2 ** 30 AS memory_used,
    max(o.value) FILTER (o.metric = 'memory_total') / 2 ** 30 AS memory_total,
    max(o.batch_size) AS batch_size, any_value(o.subject) FILTER (o.speed_rank >= 9) AS benchmark,
    min_by(o.place, o.line) AS any_place
  FROM ordered o
  GROUP BY o.run_key
),
told AS (
  SELECT a.*, v.* EXCLUDE (run_key), r.node_count, r.parallelism, a.status IS NOT DISTINCT FROM 'failed' AS bad,
    coalesce(a.model, v.benchmark) AS about,
    CASE
      WHEN v.speed.metric LIKE '%\_per\_device' ESCAPE '\' OR a.of_kind = 'microbenchmark' THEN v.speed.value
      ELSE v.speed.value / nullif(a.device_count, 0)
    END AS per_device
  FROM asked a JOIN run_rows r ON r.run_key = a.run_key LEFT JOIN result v ON v.run_key = a.run_key
  -- a run without any stated result is one only if it failed, and logged no steps that would tell of it
  WHERE v.run_key IS NOT NULL
    OR (a.status = 'failed' AND NOT EXISTS (SELECT 1 FROM series_rows x WHERE x.run_key = a.run_key))
)
SELECT t.of_kind AS kind, t.about AS model, t.vendor, t.device, t.node_count AS nodes, t.device_count AS devices,
  t.framework, t.precision, t.parallelism, t.speed.value AS throughput, t.speed.unit AS unit, t.per_device,
  t.speed.metric AS metric,
  t.run_time, t.accuracy.value AS accuracy, t.accuracy.subject AS accuracy_of, t.score.value AS score,
  t.score.metric AS score_metric, t.loss, t.mfu, t.mfu_max, t.memory_used, t.memory_total,
  nullif(
    concat_ws('; ', t.config->>'compiler', t.config->>'stage', 'bs=' || t.batch_size::INT, t.config->>'fix_hp'), ''
  ) AS settings,
  t.status, CASE WHEN t.bad THEN t.error END AS error, t.speed.definition AS throughput_definition, t.mfu_definition,
  t.run_id,
  coalesce(CASE WHEN t.bad AND t.error IS NOT NULL THEN t.place END, t.speed.place, t.any_place, t.place) AS source
FROM told t
WHERE model = '*' OR lower(t.about) = lower(model) OR lower(t.about) GLOB lower(model)
ORDER BY t.bad, t.of_kind DESC, lower(t.about), t.precision, t.device_count, t.vendor, t.device, t.run_id;
