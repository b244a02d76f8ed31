-- Which runs are there, where did they run, and how far did they get?
--
-- One row per run.  `seconds` lies between the first and the last clock that its files give.  `values` counts what was
-- logged, once where several files of the run hold the same: points of a training, measurements of a benchmark.
-- `sources` is the number of files, `source` the one that says most of the run.
--
-- parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
-- parameter: kind VARCHAR = '*' -- training, serving, inference, evaluation or microbenchmark, or a pattern with *
CREATE OR REPLACE MACRO run_list(pick VARCHAR := '*', kind VARCHAR := '*') AS TABLE
WITH logged AS (
  -- Files of one run that hold the same metric tell the same: the largest counts.
  SELECT p.run_key, sum(p.n)::BIGINT AS points
  FROM (
    SELECT s.run_key, max(s.n) AS n
    FROM series_rows s
    GROUP BY s.run_key, s.phase, coalesce(s.rank, 0), s.device_index, s.metric
  ) p
  GROUP BY p.run_key
),
measured AS (
  SELECT m.run_key, count(*) AS measurements
  FROM measurement_rows m
  WHERE m.hidden IS NOT TRUE
  GROUP BY m.run_key
),
file AS (
  SELECT f.run_key, count(DISTINCT f.source_key) AS sources, min_by(w.path, (-len(f.facts::VARCHAR), w.path)) AS path
  FROM run_facts f JOIN source_rows w ON w.source_key = f.source_key
  GROUP BY f.run_key
)
SELECT r.run_id, r.experiment, r.attempt, r.kind, r.framework, r.model, r.vendor, r.device, r.device_count, r.precision,
  r.parallelism, r.started_at, epoch(r.ended_at - r.started_at) AS seconds, r.first_step, r.last_step,
  coalesce(l.points, 0) + coalesce(m.measurements, 0) AS "values", r.status, coalesce(f.sources, 0) AS sources,
  f.path AS source
FROM run_rows r
  JOIN _picked(pick) k ON k.run_key = r.run_key
  LEFT JOIN logged l ON l.run_key = r.run_key
  LEFT JOIN measured m ON m.run_key = r.run_key
  LEFT JOIN file f ON f.run_key = r.run_key
WHERE kind = '*' OR r.kind GLOB kind
ORDER BY r.kind, r.experiment, r.attempt, r.run_id;
