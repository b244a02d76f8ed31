-- What did FlagPerf's inference cases, and `llmstats run inference`, measure on each device?
--
-- One row per case; inference benchmarks of other programs are in `results`.  Throughputs are `unit` per second: FlagPerf prints all of them as `qps`, but the LLM cases count
-- prompt tokens (`token/s`) and Stable Diffusion counts UNet steps (`step/s`).  `inference` is the vendor's engine,
-- `validation` the framework that serves as reference; `…_core` leaves data handling out.  `run_time` is the whole
-- case in seconds, memory is GiB.
-- `mfu` is a fraction, and `mfu_definition` says over which peak: FlagPerf's is one written into its code, that of
-- `llmstats run inference` is the device catalogue's.  `flops` is in FLOP/s: the FLOP per sample of the case's
-- configuration times the core rate.
-- Accuracies are fractions, means over the repeats; the CLIP score of Stable Diffusion is none and stands in
-- `measurements`.  Losses are nats per token (LAMBADA).  Failed cases come last.  `source` is the line of the core
-- throughput, else of the error.
--
-- parameter: pick VARCHAR = '*' -- run, or a pattern with * of it
-- parameter: model VARCHAR = '*' -- model (the case), or a pattern with *
-- parameter: device VARCHAR = '*' -- device or vendor, or a pattern with *
CREATE OR REPLACE MACRO inference(pick VARCHAR := '*', model VARCHAR := '*', device VARCHAR := '*') AS TABLE
WITH case_of AS (
  SELECT v.run_key, max(v.batch_size) AS batch_size,
    max(v.value) FILTER (v.metric = 'run_time') AS run_time,
    max(v.value) FILTER (v.metric = 'inference_throughput_core') AS inference_core,
    max(v.value) FILTER (v.metric = 'inference_throughput') AS inference_whole,
    max(v.value) FILTER (v.metric = 'validation_throughput_core') AS validation_core,
    max(v.value) FILTER (v.metric = 'validation_throughput') AS validation_whole,
    string_agg(DISTINCT v.unit, ', ' ORDER BY v.unit) FILTER (v.metric LIKE '%\_throughput%' ESCAPE '\') AS unit,
    max(v.value) FILTER (v.metric = 'achieved_flops') AS flops,
    max(v.definition) FILTER (v.metric = 'achieved_flops') AS flops_definition,
    max(v.value) FILTER (v.metric = 'mfu') AS mfu,
    max(v.definition) FILTER (v.metric = 'mfu') AS mfu_definition,
    max(v.value) FILTER (v.metric = 'accuracy' AND v.subject = 'validation') AS accuracy_validation,
    max(v.value) FILTER (v.metric = 'accuracy' AND v.subject = 'inference') AS accuracy_inference,
    max(v.value) FILTER (v.metric = 'loss' AND v.subject = 'validation') AS loss_validation,
    max(v.value) FILTER (v.metric = 'loss' AND v.subject = 'inference') AS loss_inference,
    max(v.definition) FILTER (v.metric = 'loss' AND v.subject IN ('validation', 'inference')) AS loss_definition,
    max(v.value) FILTER (v.metric = 'memory_used') / 2 ** 30 AS memory_used,
    max(v.value) FILTER (v.metric = 'memory_total') / 2 ** 30 AS memory_total,
    max(v.definition) FILTER (v.metric = 'inference_throughput_core') AS throughput_definition,
    coalesce(
      min(v.place) FILTER (v.metric = 'inference_throughput_core' AND v.value IS NOT NULL), min_by(v.place, v.line)
    ) AS place
  FROM _measured('inference') v
  GROUP BY v.run_key
),
judged AS (
  SELECT a.*, c.* EXCLUDE (run_key, place), c.place AS value_place,
    a.status IS NOT DISTINCT FROM 'failed' AS bad,
    coalesce(c.run_time, c.inference_core, c.inference_whole, c.validation_core, c.validation_whole, c.flops, c.mfu,
      c.accuracy_inference, c.accuracy_validation, c.loss_inference, c.loss_validation) IS NOT NULL AS told
  FROM _asked('inference', pick, model, device) a LEFT JOIN case_of c ON c.run_key = a.run_key
)
SELECT j.vendor, j.device, j.model, j.framework, j.config->>'compiler' AS compiler, j.precision,
  coalesce(j.batch_size, try_cast(j.config->>'batch_size' AS DOUBLE)) AS batch_size, j.run_time, j.inference_core,
  j.inference_whole, j.validation_core, j.validation_whole, j.unit, j.flops, j.mfu, j.accuracy_inference,
  j.accuracy_validation, j.loss_inference, j.loss_validation, j.memory_used, j.memory_total, j.status, CASE WHEN j.bad THEN j.error END AS error,
  j.throughput_definition, j.flops_definition, j.mfu_definition, j.loss_definition, j.run_id,
  CASE WHEN j.bad AND j.error IS NOT NULL THEN j.place ELSE coalesce(j.value_place, j.place) END AS source
FROM judged j
WHERE j.bad OR j.told
ORDER BY j.bad, j.model, j.precision, j.batch_size, j.vendor, j.device, j.run_id;
