-- The peaks over which work in a number format may have run on a device `p` of the catalogue: one, where it is sure.
--
-- `amp` is 16 bits of either kind; `fp32` may be carried out as TF32 where the device has that; a card that software
-- shows as several devices has its figures divided by them, or not, as the run counted.
CREATE OR REPLACE MACRO _peak_options(format, p) AS list_sort(list_distinct(flatten([
  [
    o / n FOR o IN CASE format
      WHEN 'bf16' THEN [p.peak_bf16] WHEN 'fp16' THEN [p.peak_fp16] WHEN 'amp' THEN [p.peak_fp16, p.peak_bf16]
      WHEN 'tf32' THEN [p.peak_tf32] WHEN 'fp32' THEN [p.peak_fp32, p.peak_tf32] WHEN 'fp64' THEN [p.peak_fp64]
      WHEN 'fp8' THEN [p.peak_fp8] WHEN 'int8' THEN [p.peak_int8]
    END IF o IS NOT NULL
  ] FOR n IN CASE WHEN p.parts > 1 THEN [1, p.parts] ELSE [1] END
])));
