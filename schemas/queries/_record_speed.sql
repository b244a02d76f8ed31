-- One row per record that tells the speed of one rank, warm-up left out.
--
-- `seconds` includes the data wait.  `work` over `span` is the speed per device, for one record and, summed, for
-- any number of them: tokens over seconds; or 1 over 1/rate (a harmonic mean); or 1 over seconds where no tokens are
-- logged (`driver` says which).  `kind`: `several` are the runs in which more than one rank logs, `single` the others,
-- `uneven` those of them that `_block_speed` cannot read.
CREATE OR REPLACE MACRO _record_speed(pick, warmup, kind) AS TABLE
WITH member AS MATERIALIZED (
  SELECT r.series_key, r.run_key, r.rank, r.role, r.driver, r.apart, r.stride, y.first_step
  FROM _roles(pick) r JOIN _steady(pick, warmup) y ON y.run_key = r.run_key
  WHERE CASE kind WHEN 'several' THEN r.several WHEN 'single' THEN NOT r.several
    ELSE NOT r.several AND r.run_key NOT IN (SELECT e.run_key FROM _even(pick) e) END
),
point AS (
  SELECT m.run_key, m.series_key, m.rank, m.driver, m.apart, m.stride, m.first_step, unnest(b.steps) AS step,
    unnest(b.lines) AS line, unnest(coalesce(b.clock, b.joined)) AS tick, unnest(v.vals) AS val,
    unnest(v.shown) AS shown, unnest(t.vals) AS time, unnest(d.vals) AS data
  FROM (SELECT x.* FROM member x WHERE x.role = x.driver) m
    JOIN block_values v ON v.series_key = m.series_key
    JOIN blocks b ON b.block_key = v.block_key
    LEFT JOIN (
      SELECT x.block_key, x.vals FROM block_values x
      WHERE x.series_key IN (SELECT y.series_key FROM member y WHERE y.role = 'time')
    ) t ON t.block_key = v.block_key
    LEFT JOIN (
      SELECT x.block_key, x.vals FROM block_values x
      WHERE x.series_key IN (SELECT y.series_key FROM member y WHERE y.role = 'data')
    ) d ON d.block_key = v.block_key
  WHERE NOT v.hidden
),
timed AS (
  SELECT p.*, CASE WHEN isfinite(p.data) THEN p.data END AS wait,
    CASE WHEN isfinite(p.time) THEN p.time + CASE WHEN p.apart AND isfinite(p.data) THEN p.data ELSE 0 END END AS seconds
  FROM point p
  WHERE p.shown IS NOT FALSE AND p.step >= p.first_step AND isfinite(p.val) AND p.val >= 0
),
spanned AS (
  SELECT t.*, CASE t.driver WHEN 'rate' THEN 1 / t.val ELSE t.seconds END AS span FROM timed t
)
SELECT s.run_key, s.series_key, s.rank, s.driver, s.stride, s.step, s.line, s.tick, s.wait AS data, s.seconds,
  CASE s.driver WHEN 'tokens' THEN s.val ELSE 1 END AS work, s.span
FROM spanned s
WHERE s.span > 0 AND isfinite(s.span);
