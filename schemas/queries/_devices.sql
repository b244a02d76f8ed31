-- On how many devices did each run that tells its speed train: as it says, else one per rank (`devices_from`).
--
-- Ranks that logged are all there are only where they are numbered 0 to n - 1; of others nobody knows how many are
-- missing.  `scale` is tokens per device and step where the speed is in steps per second (see `_roles`), else 1.
CREATE OR REPLACE MACRO _devices(pick) AS TABLE
WITH of_run AS (
  SELECT r.run_key, any_value(r.driver) AS driver, any_value(r.definition) FILTER (r.role = 'rate') AS definition,
    count(DISTINCT r.rank) FILTER (r.role = r.driver) AS ranks,
    min(r.rank) FILTER (r.role = r.driver) = 0 AND max(r.rank) FILTER (r.role = r.driver)
      = count(DISTINCT r.rank) FILTER (r.role = r.driver) - 1 AS is_whole
  FROM _roles(pick) r
  GROUP BY r.run_key
),
counted AS (
  SELECT o.*, k.config, k.device_count, CASE WHEN o.ranks > 1 AND o.is_whole THEN o.ranks END AS by_rank
  FROM of_run o JOIN run_rows k ON k.run_key = o.run_key
)
SELECT c.run_key, c.driver, c.definition, c.ranks, coalesce(c.device_count, c.by_rank) AS devices,
  CASE WHEN c.device_count IS NOT NULL THEN 'device_count' WHEN c.by_rank IS NOT NULL THEN 'ranks' END AS devices_from,
  CASE c.driver WHEN 'time' THEN _step_tokens(c.config) / nullif(coalesce(c.device_count, c.by_rank), 0)
    ELSE 1 END AS scale
FROM counted c;
