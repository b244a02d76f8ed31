-- Which catalogued device each run names: one row per run.
--
-- `how`: `alias` (the catalogue has this name), `normalised` (it has it without memory size and form, which then
-- agree), `ambiguous` (several variants: a figure on which they differ is NULL), `unknown`, NULL where the run names no
-- device.  A figure that a label of the run gives (`--label peak_bf16=256e12`) stands before the catalogue's, if it is a
-- positive number.
-- `variants`: the catalogue's rows; `parts`: how many devices software shows of one card, whose figures these are.
CREATE OR REPLACE MACRO _run_device() AS TABLE
WITH named AS MATERIALIZED (
  SELECT n.vendor, n.device, _device_key(n.device) AS key, _device_bare(n.device) AS bare,
    _device_memory(n.device) AS memory, _device_form(n.device) AS form
  FROM (SELECT DISTINCT r.vendor, r.device FROM run_rows r WHERE r.device IS NOT NULL) n
),
alias AS MATERIALIZED (
  SELECT DISTINCT a.model, _device_key(a.name) AS key
  FROM (
    SELECT d.model, unnest(list_append(string_split(d.aliases, '; '), d.model)) AS name FROM devices d
  ) a
),
hit AS MATERIALIZED (
  SELECT n.vendor, n.device, n.memory, n.form, d.model, lower(d.form) AS of_form, d.memory AS of_memory,
    CASE WHEN a.key = n.key THEN 1 ELSE 2 END AS rank
  FROM named n
    JOIN alias a ON a.key IN (n.key, n.bare)
    JOIN devices d ON d.model = a.model
  WHERE n.vendor IS NULL OR _vendor_name(n.vendor) IN (lower(d.vendor), d.vendor_zh)
),
nearest AS MATERIALIZED (
  SELECT h.*, bool_or(h.of_form = h.form) OVER (PARTITION BY h.vendor, h.device, h.rank) AS knows_form,
    bool_or(h.of_form IS NULL) OVER (PARTITION BY h.vendor, h.device, h.rank) AS lacks_form
  FROM hit h
  QUALIFY h.rank = min(h.rank) OVER (PARTITION BY h.vendor, h.device)
),
chosen AS MATERIALIZED (
  SELECT DISTINCT c.vendor AS said_vendor, c.device AS said, c.rank, d.*
  FROM nearest c JOIN devices d ON d.model = c.model
  WHERE c.rank = 1 OR (
    (c.memory IS NULL OR c.of_memory IS NULL OR round(c.of_memory / 2 ** 30) = c.memory)
    AND (c.form IS NULL OR c.of_form = c.form OR (NOT coalesce(c.knows_form, false) AND c.of_form IS NULL AND c.lacks_form))
  )
),
known AS MATERIALIZED (
  SELECT c.said_vendor, c.said, _agreed(c.vendor) AS vendor,
    CASE
      WHEN count(*) = 1 THEN any_value(c.model)
      WHEN count(DISTINCT c.vendor) = 1 AND count(DISTINCT c.family) = 1 THEN any_value(c.family)
      ELSE string_agg(c.model, ' | ' ORDER BY c.model)
    END AS device,
    _agreed(c.family) AS family, _agreed(c.parts) AS parts, _agreed(c.memory) AS memory,
    _agreed(c.peak_fp64) AS peak_fp64, _agreed(c.peak_fp32) AS peak_fp32, _agreed(c.peak_tf32) AS peak_tf32,
    _agreed(c.peak_bf16) AS peak_bf16, _agreed(c.peak_fp16) AS peak_fp16, _agreed(c.peak_fp8) AS peak_fp8,
    _agreed(c.peak_int8) AS peak_int8, _agreed(c.memory_bandwidth) AS memory_bandwidth, _agreed(c.tdp) AS tdp,
    CASE WHEN count(*) > 1 THEN 'ambiguous' WHEN any_value(c.rank) = 1 THEN 'alias' ELSE 'normalised' END AS how,
    list({
      model: c.model, peak_fp64: c.peak_fp64, peak_fp32: c.peak_fp32, peak_tf32: c.peak_tf32, peak_bf16: c.peak_bf16,
      peak_fp16: c.peak_fp16, peak_fp8: c.peak_fp8, peak_int8: c.peak_int8, parts: c.parts
    } ORDER BY c.model) AS variants,
    min_by(c.sources, c.model) AS sources, string_agg(DISTINCT c.note, '; ') AS note
  FROM chosen c
  GROUP BY c.said_vendor, c.said
)
SELECT r.run_key, coalesce(k.vendor, r.vendor) AS vendor, k.device, k.family,
  CASE WHEN r.labels::VARCHAR LIKE '%"peak\_%' ESCAPE '\' THEN 1 ELSE coalesce(k.parts, 1) END AS parts,
  coalesce(_figure(r.labels->>'memory'), k.memory) AS memory,
  coalesce(_figure(r.labels->>'peak_fp64'), k.peak_fp64) AS peak_fp64,
  coalesce(_figure(r.labels->>'peak_fp32'), k.peak_fp32) AS peak_fp32,
  coalesce(_figure(r.labels->>'peak_tf32'), k.peak_tf32) AS peak_tf32,
  coalesce(_figure(r.labels->>'peak_bf16'), k.peak_bf16) AS peak_bf16,
  coalesce(_figure(r.labels->>'peak_fp16'), k.peak_fp16) AS peak_fp16,
  coalesce(_figure(r.labels->>'peak_fp8'), k.peak_fp8) AS peak_fp8,
  coalesce(_figure(r.labels->>'peak_int8'), k.peak_int8) AS peak_int8,
  coalesce(_figure(r.labels->>'memory_bandwidth'), k.memory_bandwidth) AS memory_bandwidth,
  coalesce(_figure(r.labels->>'tdp'), k.tdp) AS tdp,
  CASE WHEN r.device IS NOT NULL THEN coalesce(k.how, 'unknown') END AS how,
  k.variants, k.sources, k.note
FROM run_rows r
  LEFT JOIN known k ON k.said = r.device AND k.said_vendor IS NOT DISTINCT FROM r.vendor;
