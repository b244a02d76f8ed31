-- Which names did the logs use that no catalogue knows?
--
-- One row per format and raw name: such numbers are kept as they are, with the unit that the log wrote.  `source` is
-- an example.
--
-- parameter: pick VARCHAR = '*' -- format, or a pattern with * of it
CREATE OR REPLACE MACRO new_keys(pick VARCHAR := '*') AS TABLE
WITH said AS (
  SELECT s.source_key, s.raw_name, s.metric, s.unit, s.run_key, s.n AS count, NULL::BIGINT AS line FROM series_rows s
  UNION ALL
  SELECT m.source_key, m.raw_name, m.metric, m.unit, m.run_key, 1 AS count, m.line FROM measurement_rows m
)
SELECT w.format, coalesce(nullif(k.raw_name, ''), k.metric) AS name, max(k.unit) AS unit, sum(k.count)::BIGINT AS "values",
  count(DISTINCT k.run_key) AS runs, min(w.path || coalesce(':' || k.line, '')) AS source, min(r.run_id) AS run_id
FROM said k
JOIN source_rows w ON w.source_key = k.source_key
JOIN run_rows r ON r.run_key = k.run_key
WHERE k.metric NOT IN (SELECT c.name FROM metrics c) AND w.format GLOB pick
GROUP BY w.format, coalesce(nullif(k.raw_name, ''), k.metric)
ORDER BY w.format, "values" DESC, name;
