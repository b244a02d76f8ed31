-- The series that stand for `series` in each run.
--
-- `series` is a canonical metric or a raw name (the canonical one wins).  Where several ranks logged it, rank 0
-- (or an unnamed rank) is taken, else the lowest.  A run may have several series of that rank, one per file: the
-- store hides the points that a better file has.  `half_unit` is half a unit of the last decimal that the file
-- holds (0 at full precision; at `%.4e`, of a value as large as `near`).
CREATE OR REPLACE MACRO _chosen(series, pick, near) AS TABLE
SELECT n.exp, n.run_key, s.series_key, s.source_key, s.precision, n.cut,
  CASE
    WHEN s.precision SIMILAR TO '[0-9]+' THEN 0.5::DOUBLE * 10::DOUBLE ** -(s.precision::INTEGER)
    WHEN s.precision SIMILAR TO '[0-9]+e'
      THEN 0.5::DOUBLE * 10::DOUBLE ** (floor(log10(greatest(abs(near), 1e-300))) - rtrim(s.precision, 'e')::INTEGER)
    ELSE 0::DOUBLE
  END AS half_unit
FROM series_rows s
  JOIN _picked(pick) n ON n.run_key = s.run_key
WHERE s.phase = 'train' AND s.device_index IS NULL AND (s.metric = series OR s.raw_name = series)
QUALIFY rank() OVER (
  PARTITION BY s.run_key ORDER BY s.metric = series DESC, coalesce(s.rank, 0)
) = 1;
