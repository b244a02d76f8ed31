-- What resumes cost: per experiment, steps logged twice and the seconds between the last kept and the last record.
--
-- `seconds` is NULL where no clock was logged.
CREATE OR REPLACE MACRO _redone() AS TABLE
WITH cut AS (
  SELECT a.run_key, a.experiment, a.cut, a.last_step - a.cut + 1 AS steps
  FROM _attempts() a
  WHERE a.cut <= a.last_step
),
clock AS (
  SELECT p.run_key, p.step < p.cut AS kept, min(p.tick) AS first, max(p.tick) AS last
  FROM (
    SELECT c.run_key, c.cut, unnest(b.steps) AS step, coalesce(unnest(b.clock), unnest(b.joined)) AS tick
    FROM blocks b JOIN cut c ON c.run_key = b.run_key
    WHERE b.phase = 'train'
  ) p
  GROUP BY p.run_key, kept
),
lost AS (
  SELECT k.run_key,
    epoch(max(k.last) - coalesce(max(k.last) FILTER (k.kept), min(k.first))) AS seconds
  FROM clock k
  GROUP BY k.run_key
)
SELECT c.experiment, sum(c.steps)::BIGINT AS steps, sum(l.seconds) AS seconds
FROM cut c LEFT JOIN lost l ON l.run_key = c.run_key
GROUP BY c.experiment;
