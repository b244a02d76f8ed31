-- The number format that a run's precision names, as the columns `peak_…` of the catalogue are called, or `amp` for
-- mixed precision with 16 bits of either kind; NULL where it is none of them, or two at once (`bf16+fp8`).
CREATE OR REPLACE MACRO _precision(name) AS CASE
  WHEN lower(trim(name)) IN ('bf16', 'bfloat16', 'bf16-mixed', 'torch.bfloat16') THEN 'bf16'
  WHEN lower(trim(name)) IN ('fp16', 'float16', 'half', '16-mixed', 'torch.float16') THEN 'fp16'
  WHEN lower(trim(name)) IN ('amp', 'mixed') THEN 'amp'
  WHEN lower(trim(name)) = 'tf32' THEN 'tf32'
  WHEN lower(trim(name)) IN ('fp32', 'float32', 'float', 'torch.float32') THEN 'fp32'
  WHEN lower(trim(name)) IN ('fp64', 'float64', 'double') THEN 'fp64'
  WHEN lower(trim(name)) IN ('fp8', 'fp8_e4m3', 'float8', 'w8a8_fp8') THEN 'fp8'
  WHEN lower(trim(name)) IN ('int8', 'w8a8', 'w8a8_int8') THEN 'int8'
END;
