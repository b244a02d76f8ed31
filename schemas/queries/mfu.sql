-- What share of its devices' peak did each run turn into model FLOPs?
--
-- Model FLOPs utilisation, recomputed: tokens per second and device, times FLOPs per token, over the catalogued dense
-- peak of the device (`llmstats devices`) in the run's number format.  `formula` shows it with its numbers.  FLOPs per
-- token are 6 N for training and 2 N for a forward pass, where N counts the parameters that a token meets, embeddings
-- included (of a mixture of experts the active ones): those of the network in the run's own configuration (Megatron's
-- arguments), else of the model's name (`llmstats models`); `parameters_from` says which.  Training adds
-- 12 x layers x width x sequence length for attention (forward and backward, not causal), where the sequence length is
-- known; recomputation counts nothing.  Of a serving benchmark all tokens count, those of the prompt too.
--
-- `amp` is taken over the 16-bit peak.  `fp32` on a device with TF32 may run as either: no number.  Nothing is guessed:
-- where model, device, number of devices, number format or peak are unknown, or variants of the device differ, `mfu`
-- is NULL and `reason` says why, with the range that remains.  A label settles it: `--label precision=bf16`,
-- `--label device=H100-SXM5-80GB`, `--label parameters=3e9`, `--label peak_bf16=256e12` (of one device, dense);
-- `peak_source` says where the peak is from.
--
-- `mfu_published` is what the run or page states, by its own definition (`published_definition`); `mfu_nominal` is
-- recomputed the way of benchmark scripts: the round number of parameters of the model's name, no attention.
-- `published_multiplier` is how many FLOPs per token and nominal parameter the published figure implies over our peak;
-- the flag names it where it is one that is in use: 2 (forward), 4, 6 (training) or 8 (with recomputation).
-- `difference` is `mfu` less `mfu_published` (its nearer end, where a range was published), as a fraction; `flag` speaks
-- up beyond `tolerance`.
--
-- parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
-- parameter: model VARCHAR = '*' -- model as the run or the catalogue names it, or a pattern with *
-- parameter: device VARCHAR = '*' -- device or vendor as the run or the catalogue names it, or a pattern with *
-- parameter: attention BOOLEAN = true -- add the attention term of training
-- parameter: tolerance DOUBLE = 0.01 -- difference from the published MFU that is flagged (0.01: one point)
CREATE OR REPLACE MACRO mfu(
  pick VARCHAR := '*', model VARCHAR := '*', device VARCHAR := '*', attention BOOLEAN := true,
  tolerance DOUBLE := 0.01
) AS TABLE
WITH known AS (
  SELECT s.*, r.model AS said_model, r.device AS said_device, r.vendor AS said_vendor, r.precision, r.config, r.labels,
    [
      figure FOR figure IN [
        'parameters', 'active_parameters', 'layers', 'attention_width',
        'peak_bf16', 'peak_fp16', 'peak_tf32', 'peak_fp32', 'peak_fp64', 'peak_fp8', 'peak_int8'
      ] IF (r.labels->>figure) IS NOT NULL AND _figure(r.labels->>figure) IS NULL
    ] AS wrong,
    m.model, m.how AS model_how, m.active_parameters AS n, m.active_parameters < m.parameters AS sparse, m.nominal, m.parameters_from,
    m.layers, m.attention_width AS width, d.device, d.vendor, d.how AS device_how, d.parts, d.sources,
    _precision(r.precision) AS format,
    CASE WHEN s.kind = 'training' THEN 6 WHEN s.kind IN ('serving', 'inference', 'evaluation') THEN 2 END AS k,
    CASE WHEN s.kind = 'training' AND attention THEN _sequence_length(r.config) END AS sequence,
    coalesce(s.devices, r.device_count) AS device_count,
    CASE WHEN s.devices IS NOT NULL THEN s.devices_from WHEN r.device_count IS NOT NULL THEN 'device_count' END AS counted,
    regexp_matches(lower(concat_ws(' ', r.model, r.run_id)), '(^|[^a-z])q?lora([^a-z]|$)') AS lora,
    _peak_options(_precision(r.precision), {
      peak_fp64: d.peak_fp64, peak_fp32: d.peak_fp32, peak_tf32: d.peak_tf32, peak_bf16: d.peak_bf16,
      peak_fp16: d.peak_fp16, peak_fp8: d.peak_fp8, peak_int8: d.peak_int8, parts: d.parts
    }) AS peaks,
    list_sort(list_distinct(flatten([_peak_options(_precision(r.precision), v) FOR v IN d.variants]))) AS all_peaks,
    len([v FOR v IN d.variants IF len(_peak_options(_precision(r.precision), v)) = 0]) AS peakless
  FROM _token_speed(pick) s
    JOIN run_rows r ON r.run_key = s.run_key
    JOIN _run_model() m ON m.run_key = s.run_key
    JOIN _run_device() d ON d.run_key = s.run_key
),
counted AS (
  SELECT n.*,
    CASE WHEN n.is_per_device THEN n.speed ELSE n.speed / nullif(n.device_count, 0) END AS per_device,
    n.k * n.n + CASE WHEN n.sequence * n.layers * n.width > 0 THEN 12 * n.layers * n.width * n.sequence ELSE 0 END AS flops,
    CASE WHEN len(n.peaks) = 1 THEN n.peaks[1] END AS peak,
    CASE WHEN len(n.peaks) > 1 THEN n.peaks WHEN n.peakless = 0 THEN n.all_peaks END AS range
  FROM known n
),
judged AS (
  SELECT c.*, c.per_device * c.flops AS achieved,
    CASE
      WHEN c.speed IS NULL THEN 'no speed in tokens per second'
      WHEN len(c.wrong) > 0 THEN format('the label {} is no positive number: {}', c.wrong[1], c.labels->>c.wrong[1])
      WHEN c.partial THEN 'only generated tokens are counted, not those of the prompts'
      WHEN c.k IS NULL THEN 'the run does not say whether it trains or infers'
      WHEN c.n IS NULL AND c.model_how IS NULL THEN 'the run names no model'
      WHEN c.n IS NULL AND c.model_how = 'unknown' THEN 'the catalogue has no model ' || c.said_model
      WHEN c.n IS NULL THEN c.said_model || ' may be ' || c.model
      WHEN c.lora AND c.kind = 'training' THEN '6 N does not hold for LoRA: frozen weights need no gradients'
      WHEN c.precision IS NULL THEN 'the run states no precision'
      WHEN c.format IS NULL THEN 'no peak is defined for the precision ' || c.precision
      WHEN c.per_device IS NULL THEN 'the number of devices is unknown'
      WHEN c.device_how IS NULL AND len(c.peaks) = 0 THEN 'the run names no device'
      WHEN c.device_how = 'unknown' AND len(c.peaks) = 0 THEN 'the catalogue has no device ' || concat_ws(' ', c.said_vendor, c.said_device)
      WHEN c.peak IS NULL AND c.range IS NULL AND c.device_how = 'ambiguous' THEN c.said_device || ' has variants, not all with a known ' || c.format || ' peak'
      WHEN c.peak IS NULL AND c.range IS NULL THEN 'no public dense ' || c.format || ' peak of ' || c.device
      WHEN c.peak IS NULL THEN format('{} ({:.1f} % to {:.1f} %)',
        CASE
          WHEN c.format = 'fp32' AND len(c.peaks) > 1 THEN 'fp32 may have run as FP32 or as TF32'
          WHEN c.device_how = 'ambiguous' THEN c.said_device || ' has variants with other peaks'
          WHEN c.parts > 1 THEN format('one {} shows as {} devices, and which of them was counted is not said', c.device, c.parts::INT)
          ELSE c.format || ' has several peaks'
        END,
        100 * c.per_device * c.flops / c.range[-1], 100 * c.per_device * c.flops / c.range[1])
    END AS reason
  FROM counted c
),
answered AS (
  SELECT j.*, CASE WHEN j.reason IS NULL THEN j.achieved / j.peak END AS mfu,
    CASE WHEN j.reason IS NULL THEN j.per_device * j.k * j.nominal / j.peak END AS mfu_nominal,
    j.published * j.peak / nullif(j.per_device * j.nominal, 0) AS multiplier
  FROM judged j
),
compared AS (
  SELECT a.*,
    CASE
      WHEN a.mfu > a.published_max THEN a.mfu - a.published_max
      WHEN a.mfu > a.published AND a.published_max IS NOT NULL THEN 0
      ELSE a.mfu - a.published
    END AS difference
  FROM answered a
)
SELECT o.run_id, o.kind, coalesce(o.model, o.said_model) AS model, coalesce(o.device, o.said_device) AS device,
  o.device_count AS devices, o.precision, o.per_device AS tokens_per_second_per_device,
  o.mfu, o.mfu_nominal, o.published AS mfu_published, o.published_max AS mfu_published_max, o.difference,
  CASE
    WHEN o.per_device * o.flops > coalesce(o.peak, o.range[-1])
      THEN 'above the peak: number of devices, precision or peak cannot be right'
    WHEN abs(o.difference) > tolerance THEN format('{:+.1f} points from the published', 100 * o.difference) || CASE
      WHEN abs(o.multiplier - round(o.multiplier)) < 0.05 AND round(o.multiplier) IN (2, 4, 6, 8) AND round(o.multiplier) != o.k
        THEN format(', which counts {} FLOP per token and parameter', round(o.multiplier)::INT) ELSE '' END
  END AS flag,
  o.reason,
  CASE WHEN o.reason IS NULL THEN format('{:.6g} token/s x {} FLOP/token / {:.6g} FLOP/s ({} dense)', o.per_device,
    CASE WHEN o.flops > o.k * o.n
      THEN format('({} x {:.4g}{} + 12 x {} x {} x {})', o.k, o.n, CASE WHEN o.sparse THEN ' active' ELSE '' END, o.layers::BIGINT, o.width::BIGINT, o.sequence::BIGINT)
      ELSE format('({} x {:.4g}{})', o.k, o.n, CASE WHEN o.sparse THEN ' active' ELSE '' END)
    END, o.peak, o.format)
  END AS formula,
  o.n AS parameters, o.parameters_from, o.nominal AS parameters_nominal, CASE WHEN o.n IS NOT NULL THEN o.flops END AS flops_per_token,
  o.peak, o.multiplier AS published_multiplier,
  o.definition AS throughput_definition, o.published_definition,
  nullif(concat_ws('; ', 'input ' || o.input_len::BIGINT, 'output ' || o.output_len::BIGINT,
    'concurrency ' || o.concurrency::BIGINT, 'batch ' || o.batch_size::BIGINT), '') AS settings,
  CASE
    WHEN list_contains([
      _figure(o.labels->>('peak_' || of_format)) FOR of_format IN
        CASE o.format WHEN 'amp' THEN ['fp16', 'bf16'] WHEN 'fp32' THEN ['fp32', 'tf32'] ELSE [o.format] END
    ], o.peak) THEN 'label of the run'
    WHEN o.peak IS NOT NULL THEN o.sources->>('peak_' || CASE o.format WHEN 'amp' THEN 'fp16' ELSE o.format END)
  END AS peak_source,
  o.counted AS devices_from, 'mfu@recomputed' AS definition, o.place AS source
FROM compared o
WHERE (model = '*' OR lower(o.said_model) GLOB lower(model) OR lower(o.model) GLOB lower(model))
  AND (device = '*' OR lower(o.said_device) GLOB lower(device) OR lower(o.device) GLOB lower(device)
    OR lower(o.vendor) GLOB lower(device))
ORDER BY o.mfu IS NULL, lower(coalesce(o.model, o.said_model)), o.kind, o.device, o.run_id;
