-- What resumes cost: per experiment, steps logged twice and the seconds between the last kept and the last record.
--
-- `seconds` is NULL where no clock was logged.
CREATE OR REPLACE MACRO _redone() AS TABLE
WITH redone AS MATERIALIZED (
  SELECT a.run_key, a.experiment, a.cut, a.last_step - a.kept AS steps
  FROM _attempts() a
  WHERE a.cut <= a.last_step
),
clock AS (
  SELECT p.run_key, max(p.tick) AS last, min(p.tick) AS first, max(p.tick) FILTER (p.step < p.cut) AS kept
  FROM (
    SELECT d.run_key, d.cut, unnest(b.steps) AS step, unnest(coalesce(b.clock, b.joined)) AS tick
    FROM blocks b JOIN redone d ON d.run_key = b.run_key
    WHERE b.phase = 'train'
  ) p
  GROUP BY p.run_key
)
SELECT d.experiment, sum(d.steps)::BIGINT AS steps, sum(epoch(c.last - coalesce(c.kept, c.first))) AS seconds
FROM redone d LEFT JOIN clock c ON c.run_key = d.run_key
GROUP BY d.experiment;
