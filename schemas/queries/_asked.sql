-- Runs of one kind that a question is about, with where to start reading and why they failed.
--
-- `model` and `device` are names or patterns with `*`, capitals or not; `device` may be the vendor as well.
-- `known` is the case as far as the run's configuration or labels tell it, for runs that measured nothing.
-- `place` is the line of the first error, else the file that says most of the run.
CREATE OR REPLACE MACRO _asked(of_kind, pick, model, device) AS TABLE
WITH trouble AS (
  SELECT e.run_key, min_by({message: e.message, place: w.path || coalesce(':' || e.line, '')}, coalesce(e.line, 0)) AS first
  FROM event_rows e JOIN source_rows w ON w.source_key = e.source_key
  WHERE e.kind IN ('error', 'oom')
  GROUP BY e.run_key
),
file AS (
  SELECT f.run_key, min_by(w.path, (-len(f.facts::VARCHAR), w.path)) AS path
  FROM run_facts f JOIN source_rows w ON w.source_key = f.source_key
  GROUP BY f.run_key
)
SELECT r.run_key, r.run_id, r.experiment, r.framework, r.model, r.vendor, r.device, r.device_count, r.precision,
  r.status, r.config, t.first.message AS error, coalesce(t.first.place, f.path) AS place, _case(r.config, r.labels) AS known
FROM run_rows r
  JOIN _picked(pick) k ON k.run_key = r.run_key
  LEFT JOIN trouble t ON t.run_key = r.run_key
  LEFT JOIN file f ON f.run_key = r.run_key
WHERE r.kind = of_kind
  AND (model = '*' OR lower(r.model) = lower(model) OR lower(r.model) GLOB lower(model))
  AND (device = '*' OR lower(r.device) = lower(device) OR lower(r.device) GLOB lower(device)
    OR lower(r.vendor) = lower(device) OR lower(r.vendor) GLOB lower(device));
