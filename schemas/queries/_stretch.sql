-- The stretch of steps in which the order of points can matter to `convergence`, per experiment.
--
-- Sorting is what a question about millions of points costs, so points are left out that cannot change an answer:
-- those more than `smooth` points before the first value near the threshold, and those after a block whose end is
-- surely below it in both readings.  Judged from whole blocks, and only for plain curves (one attempt, one file,
-- finite, steps rising); for others `first_step` and `last_step` are NULL, meaning all.
-- An experiment that never came near the threshold has no row.
CREATE OR REPLACE MACRO _stretch(series, pick, threshold, min_steps, smooth, sustain) AS TABLE
WITH summary AS (
  SELECT c.exp, c.half_unit, len(v.vals) AS n, b.min_step AS first_step, b.max_step AS last_step,
    list_min(v.vals) AS low,
    c.cut IS NULL AND v.shown IS NULL AND isfinite(list_max(v.vals)) AND isfinite(list_min(v.vals))
      AND list_count(v.vals) = len(v.vals) AS plain,
    b.min_step >= min_steps AND len(v.vals) >= smooth
      AND list_avg(v.vals[-smooth:]) + c.half_unit < threshold AS ends_below,
    b.min_step >= min_steps AND len(v.vals) >= sustain
      AND list_max(v.vals[-sustain:]) < threshold AS ends_held
  FROM _chosen(series, pick, threshold) c
    JOIN block_values v ON v.series_key = c.series_key
    JOIN blocks b ON b.block_key = v.block_key
  WHERE NOT v.hidden AND b.steps IS NOT NULL
),
ordered AS (
  SELECT s.*, sum(s.n) OVER w AS upto,
    coalesce(s.first_step > lag(s.last_step) OVER w, true) AND s.plain AS rising
  FROM summary s
  WINDOW w AS (PARTITION BY s.exp ORDER BY s.first_step, s.last_step)
),
marks AS (
  SELECT o.exp, bool_and(o.rising) AS plain, max(o.half_unit) AS half_unit,
    min(o.upto - o.n) FILTER (o.low < threshold + o.half_unit) AS before_low,
    greatest(min(o.last_step) FILTER (o.ends_below), min(o.last_step) FILTER (o.ends_held)) AS last_step,
    bool_or(o.ends_below) AND bool_or(o.ends_held) AS ends
  FROM ordered o
  GROUP BY o.exp
)
SELECT m.exp, CASE WHEN m.plain THEN min(o.first_step) END AS first_step,
  CASE WHEN m.plain AND m.ends THEN m.last_step END AS last_step
FROM marks m JOIN ordered o ON o.exp = m.exp AND o.upto > m.before_low - smooth
GROUP BY m.exp, m.plain, m.ends, m.last_step;
