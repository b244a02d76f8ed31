-- What stands in the log of a training, mark by mark: start, first and last step, end of the warm-up, validations,
-- and all events.
--
-- `line` belongs to the file of `source_key`.
CREATE OR REPLACE MACRO _marks(pick) AS TABLE
WITH picked AS MATERIALIZED (
  SELECT k.run_key FROM _picked(pick) k JOIN run_rows r ON r.run_key = k.run_key WHERE r.kind = 'training'
),
train AS MATERIALIZED (
  SELECT b.run_key, b.source_key, b.min_step, b.max_step, b.steps, b.lines, coalesce(b.clock, b.joined) AS ticks
  FROM blocks b JOIN picked k ON k.run_key = b.run_key
  WHERE b.phase = 'train' AND b.steps IS NOT NULL
),
ends AS (
  SELECT e.run_key, min_by(e.block, (e.block.min_step, e.block.lines[1])) AS first,
    max_by(e.block, (e.block.max_step, e.block.lines[1])) AS last
  FROM (
    SELECT t.run_key, {source_key: t.source_key, min_step: t.min_step, max_step: t.max_step, steps: t.steps,
      lines: t.lines, ticks: t.ticks} AS block
    FROM train t
  ) e
  GROUP BY e.run_key
),
record AS (
  SELECT e.run_key, 'first step' AS kind, e.first.source_key AS source_key, e.first.min_step AS step,
    list_position(e.first.steps, e.first.min_step) AS i, e.first.lines AS lines, e.first.ticks AS ticks
  FROM ends e
  UNION ALL
  SELECT e.run_key, 'last step', e.last.source_key, e.last.max_step, list_position(e.last.steps, e.last.max_step),
    e.last.lines, e.last.ticks
  FROM ends e
  UNION ALL
  SELECT y.run_key, 'warm-up ends', x.source_key, y.first_step, list_position(x.steps, y.first_step), x.lines, x.ticks
  FROM _steady(pick, 0.01) y JOIN (
    SELECT t.* FROM train t
    QUALIFY row_number() OVER (PARTITION BY t.run_key, t.min_step ORDER BY t.source_key) = 1
  ) x ON x.run_key = y.run_key AND y.first_step BETWEEN x.min_step AND x.max_step
  WHERE list_contains(x.steps, y.first_step)
  QUALIFY row_number() OVER (PARTITION BY y.run_key ORDER BY x.source_key) = 1
),
file AS (
  SELECT f.run_key, arg_min(f.source_key, (-len(f.facts::VARCHAR), f.source_key)) AS source_key
  FROM run_facts f JOIN picked k ON k.run_key = f.run_key
  GROUP BY f.run_key
),
val AS (
  SELECT p.run_key, p.source_key, p.line, min(p.step) AS step, min(p.tick) AS tick, min(p.epoch) AS epoch,
    list(p.metric || ' ' || format('{:.6g}', p.val) ORDER BY p.metric) AS said
  FROM (
    SELECT s.run_key, s.source_key, s.metric, unnest(b.steps) AS step, unnest(b.epochs) AS epoch,
      unnest(coalesce(b.clock, b.joined)) AS tick, unnest(b.lines) AS line, unnest(v.vals) AS val, unnest(v.shown) AS shown
    FROM series_rows s
      JOIN picked k ON k.run_key = s.run_key
      JOIN block_values v ON v.series_key = s.series_key
      JOIN blocks b ON b.block_key = v.block_key
    WHERE s.phase IN ('val', 'test') AND NOT v.hidden
  ) p
  WHERE p.shown IS NOT FALSE AND p.val IS NOT NULL
  GROUP BY p.run_key, p.source_key, p.line
)
SELECT r.run_key, 'start' AS kind, r.started_at AS time, NULL::BIGINT AS step, concat_ws(', ',
    r.framework, r.model, CASE WHEN r.device_count IS NOT NULL THEN r.device_count || ' × ' END || coalesce(r.device, 'devices'),
    r.precision, r.parallelism, 'resumed from step ' || nullif(r.resumed_from, 0)) AS message,
  f.source_key, NULL::BIGINT AS line
FROM run_rows r JOIN picked k ON k.run_key = r.run_key LEFT JOIN file f ON f.run_key = r.run_key
UNION ALL
SELECT c.run_key, c.kind, c.ticks[c.i], c.step, NULL, c.source_key, c.lines[c.i] FROM record c
UNION ALL
SELECT v.run_key, 'validation', v.tick, v.step, concat_ws(': ', 'epoch ' || v.epoch, list_aggregate(v.said[:4], 'string_agg', ', ')
    || CASE WHEN len(v.said) > 4 THEN format(' and {} more', len(v.said) - 4) ELSE '' END), v.source_key, v.line
FROM val v
UNION ALL
SELECT e.run_key, e.kind, e.time, e.step, left(e.message, 200), e.source_key, e.line
FROM event_rows e JOIN picked k ON k.run_key = e.run_key
UNION ALL
SELECT r.run_key, 'end', r.ended_at, NULL, r.status, f.source_key, NULL
FROM run_rows r JOIN picked k ON k.run_key = r.run_key LEFT JOIN file f ON f.run_key = r.run_key
WHERE r.ended_at IS NOT NULL OR r.status IS NOT NULL;
