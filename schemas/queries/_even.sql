-- Runs whose speed can be read from whole blocks: one rank, one file, and in each of its blocks a finite value of each
-- series that tells the speed (see `_roles`).
CREATE OR REPLACE MACRO _even(pick) AS TABLE
WITH told AS MATERIALIZED (
  SELECT r.run_key, min(s.n) AS n, any_value(s.rank) AS rank
  FROM _roles(pick) r JOIN series_rows s ON s.series_key = r.series_key
  WHERE NOT r.several AND (r.role = r.driver OR r.role IN ('time', 'data'))
  GROUP BY r.run_key
  HAVING count(*) = count(DISTINCT r.role) AND min(s.n) = max(s.n) AND sum(s.non_finite) = 0
    AND NOT bool_or(coalesce(s.marked, false)) AND count(DISTINCT s.source_key) = 1
)
SELECT t.run_key
FROM told t JOIN blocks b ON b.run_key = t.run_key AND b.phase = 'train'
GROUP BY t.run_key
HAVING sum(len(b.steps)) = any_value(t.n) AND count(*) = count(b.steps);
