-- Did each training reach its loss, and which of the four readings of that says so?
--
-- One row per experiment that logged a step of training, over its effective curve (steps that a later attempt redid are
-- left out):
--
-- - `first_touch`: first step from `min_steps` on with a value below `threshold`;
-- - `sustained`: first step from `min_steps` on from which `sustain` logged points in a row stay below;
-- - `smoothed`: first step from `min_steps` on at which the mean of the last `smooth` logged finite points is below;
-- - `final`: the last recorded value, be it NaN or Inf.
--
-- The verdict follows `smoothed`, with its reason beside it.  `not converged` if it never was below, or if the
-- curve ends in NaN or Inf.  `cannot tell` with fewer steps than `min_steps`, with fewer finite points than `smooth`,
-- or where the file's rounding leaves it open on which side of the threshold the lowest mean lies.
-- What is within 1e-12 of the threshold, relative to it, is at it and not below: a mean is off in its last digits.
-- Columns ending in `_at` say where to look: `path:line`; `source` is that of the smoothed reading, else of the last value.
--
-- parameter: threshold DOUBLE = 0.0013 -- the loss to get below
-- parameter: min_steps BIGINT = 2000 in 0.. -- a value before this step does not count
-- parameter: series VARCHAR = 'loss' -- metric, or its raw name in the log
-- parameter: smooth BIGINT = 50 in 1.. -- logged points in the moving mean
-- parameter: sustain BIGINT = 50 in 1.. -- logged points in a row that must stay below
-- parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
CREATE OR REPLACE MACRO convergence(
  threshold DOUBLE := 0.0013, min_steps BIGINT := 2000, series VARCHAR := 'loss', smooth BIGINT := 50,
  sustain BIGINT := 50, pick VARCHAR := '*'
) AS TABLE
WITH found AS MATERIALIZED (
  FROM _readings(series, pick, threshold, _short_of(threshold), min_steps, smooth, sustain)
),
precise AS (
  SELECT f.exp, max(c.half_unit) AS half_unit, string_agg(DISTINCT c.precision, ', ' ORDER BY c.precision) AS precision
  FROM (SELECT x.exp, unnest(x.series_keys) AS series_key FROM found x) f
    JOIN _chosen(series, pick, threshold) c ON c.series_key = f.series_key
  GROUP BY f.exp
),
readings AS (
  SELECT e.*, p.half_unit, p.precision, e.lowest_mean + p.half_unit < _short_of(threshold) AS surely,
    e.lowest_mean - p.half_unit < _short_of(threshold) AS perhaps
  FROM found e JOIN precise p ON p.exp = e.exp
),
members AS (
  SELECT k.exp, any_value(k.experiment) AS experiment, max_by(k.run_id, k.attempt) AS run_id, count(*) AS attempts
  FROM _picked(pick) k
  WHERE k.run_key IN (SELECT s.run_key FROM series_rows s WHERE s.phase = 'train')
  GROUP BY k.exp
),
verdicts AS (
  SELECT m.experiment, m.run_id, m.attempts, x.* EXCLUDE (exp),
    CASE
      WHEN x.exp IS NULL THEN 'cannot tell'
      WHEN NOT isfinite(x.final.val) THEN 'not converged'
      WHEN x.last_step < min_steps OR x.finite < smooth THEN 'cannot tell'
      WHEN x.surely THEN 'converged'
      WHEN x.perhaps THEN 'cannot tell'
      ELSE 'not converged'
    END AS verdict,
    CASE
      WHEN x.exp IS NULL THEN format('no values of {} here', series)
      WHEN NOT isfinite(x.final.val) THEN format('ends with {} at step {}', x.final.val, x.final.step)
      WHEN x.last_step < min_steps THEN format('reached step {} of at least {}', x.last_step, min_steps)
      WHEN x.finite < smooth THEN format('has {} of the {} points of a mean', x.finite, smooth)
      WHEN x.surely THEN format('mean of {} points below {:g} at step {}', smooth, threshold, x.hit.step)
      WHEN x.perhaps THEN format(
        'lowest mean {:.6g} of {} points is within the log''s rounding (±{:g}) of {:g}',
        x.lowest_mean, smooth, x.half_unit, threshold)
      WHEN x.lowest_mean IS NOT NULL
        THEN format('mean of {} points never below {:g}; lowest {:.6g}', smooth, threshold, x.lowest_mean)
      ELSE format('no value below {:g}; lowest {:.6g}', threshold, x.low.val)
    END AS reason
  FROM members m LEFT JOIN readings x ON x.exp = m.exp
)
SELECT v.experiment, v.verdict, v.reason, v.touch.step AS first_touch, v.held.step AS sustained,
  v.hit.step AS smoothed, v.final.val AS final, v.low.val AS minimum, v.last_step, v.points,
  v.points - v.finite AS non_finite, v.precision, v.attempts, coalesce(d.steps, 0) AS steps_redone,
  d.seconds AS seconds_redone, v.hit.mean AS smoothed_value, v.low.step AS minimum_step,
  v.final.step AS final_step, v.run_id,
  _at(v.touch.series_key, v.touch.line) AS first_touch_at, _at(v.held.series_key, v.held.line) AS sustained_at,
  _at(v.hit.series_key, v.hit.line) AS smoothed_at, _at(v.final.series_key, v.final.line) AS final_at,
  coalesce(_at(v.hit.series_key, v.hit.line), _at(v.final.series_key, v.final.line)) AS source
FROM verdicts v LEFT JOIN (
  SELECT r.experiment, sum(r.steps)::BIGINT AS steps, CASE WHEN count(r.seconds) = count(*) THEN sum(r.seconds) END AS seconds
  FROM _redone(pick) r
  GROUP BY r.experiment
) d ON d.experiment = v.experiment
ORDER BY v.experiment;
