-- The readings of `convergence` per experiment: how many points, the last, the lowest, the first below, the first
-- step of the sustained and of the smoothed reading, the lowest moving mean, and the series with a point in it.
--
-- Over hundreds of millions of points, opening and sorting them is what this costs, so a plain curve (one attempt,
-- one file, no gaps, no -Inf, steps rising) is judged from whole blocks: a block's length and lowest value say how many
-- points there are and which blocks need be opened at all.  Those are the last, the lowest, the ones that can hold
-- the first value below, and the ones of the moving mean: from `smooth` points before the first value near the
-- threshold to the first block whose own end is surely below.  The sustained reading needs no order: `flags` has one
-- character per point, `0` where it is below from `min_steps` on, and a row of `sustain` zeros is looked for.
-- All other curves are read point by point.  NaN and infinities break a stretch and are left out of means; NULL values
-- (sentinels) and points without a step are left out, as in `_curve`.  `level` is `_short_of(threshold)`: what is below
-- it is surely below the threshold.
CREATE OR REPLACE MACRO _readings(series, pick, threshold, level, min_steps, smooth, sustain) AS TABLE
WITH summary AS (
  SELECT c.exp, c.series_key, c.cut, c.half_unit, c.tidy, c.logged, c.non_finite, v.block_key, len(v.vals) AS n, b.min_step,
    b.max_step, list_min(v.vals) AS low, list_min(v.vals) < level + c.half_unit AS is_near,
    -- the rest only where a block comes near: no other can end below, and its own order does not matter
    CASE WHEN NOT list_min(v.vals) < level + c.half_unit THEN true
      WHEN b.steps = range(b.steps[1], b.steps[-1] + 1, greatest(1, b.steps[2] - b.steps[1])) THEN true
      ELSE b.steps = list_sort(b.steps) END AS in_order,
    CASE WHEN list_min(v.vals) < level + c.half_unit AND b.min_step >= min_steps AND len(v.vals) >= smooth
      THEN list_avg(v.vals[-smooth:]) + c.half_unit < level ELSE false END AS ends_below,
    CASE WHEN NOT list_min(v.vals) < level OR b.max_step < min_steps THEN NULL
      WHEN b.min_step >= min_steps THEN
        list_aggregate([CASE WHEN x < level THEN '0' ELSE '1' END FOR x IN v.vals], 'string_agg', '')
      ELSE list_aggregate(
        [CASE WHEN x < level AND b.steps[i] >= min_steps THEN '0' ELSE '1' END FOR x, i IN v.vals], 'string_agg', '')
    END AS flags
  FROM (
    SELECT c.*, s.n AS logged, s.non_finite, c.cut IS NULL AND s.marked IS NOT TRUE AS tidy
    FROM _chosen(series, pick, threshold) c JOIN series_rows s ON s.series_key = c.series_key
  ) c
    JOIN block_values v ON v.series_key = c.series_key
    JOIN blocks b ON b.block_key = v.block_key
  WHERE NOT v.hidden AND b.min_step IS NOT NULL
),
ordered AS MATERIALIZED (
  SELECT s.*, (sum(s.n) OVER w)::BIGINT AS upto,
    s.tidy AND s.in_order AND s.low IS DISTINCT FROM '-inf'::DOUBLE AND sum(s.n) OVER (PARTITION BY s.series_key) = s.logged
      AND coalesce(s.min_step > lag(s.max_step) OVER w, true) AS rising
  FROM summary s
  WINDOW w AS (PARTITION BY s.exp ORDER BY s.min_step, s.max_step)
),
marks AS MATERIALIZED (
  SELECT o.exp, bool_and(o.rising) AND count(DISTINCT o.series_key) = 1 AS plain, sum(o.n)::BIGINT AS points,
    any_value(o.non_finite) AS non_finite,
    min(o.upto - o.n) FILTER (o.is_near) AS before_low, min(o.max_step) FILTER (o.ends_below) AS below_by,
    max_by(o.block_key, o.max_step) AS last_block, min_by(o.block_key, (o.low, o.min_step)) AS low_block,
    min(o.max_step) FILTER (o.low < level AND o.min_step >= min_steps) AS touched_by
  FROM ordered o
  GROUP BY o.exp
),
opened AS MATERIALIZED (
  SELECT o.exp, o.series_key, o.block_key,
    o.upto > m.before_low - smooth - m.non_finite AND o.min_step <= coalesce(m.below_by, o.min_step) AS for_mean,
    o.block_key IN (m.last_block, m.low_block)
      OR (o.low < level AND o.max_step >= min_steps AND o.min_step <= coalesce(m.touched_by, o.min_step)) AS for_spot
  FROM ordered o JOIN marks m ON m.exp = o.exp
  WHERE m.plain
),
plain_point AS MATERIALIZED (
  SELECT n.exp, n.series_key, n.for_mean IS TRUE AS for_mean, n.for_spot, unnest(b.steps) AS step, unnest(b.lines) AS line,
    unnest(v.vals) AS val
  FROM (SELECT o.* FROM opened o WHERE o.for_mean OR o.for_spot) n
    JOIN block_values v ON v.block_key = n.block_key AND v.series_key = n.series_key
    JOIN blocks b ON b.block_key = n.block_key
),
other_point AS (
  SELECT p.exp, p.series_key, p.step, p.line, p.val, p.comes_near
  FROM (
    SELECT c.exp, c.series_key, c.cut, m.before_low IS NOT NULL AS comes_near, unnest(b.steps) AS step, unnest(b.lines) AS line, unnest(v.vals) AS val,
      unnest(v.shown) AS shown
    FROM _chosen(series, pick, threshold) c
      JOIN marks m ON m.exp = c.exp
      JOIN block_values v ON v.series_key = c.series_key
      JOIN blocks b ON b.block_key = v.block_key
    WHERE NOT m.plain AND NOT v.hidden
  ) p
  WHERE p.shown IS NOT FALSE AND p.step IS NOT NULL AND p.val IS NOT NULL AND (p.cut IS NULL OR p.step < p.cut)
),
spots AS (
  SELECT p.exp, list(DISTINCT p.series_key) AS series_keys, count(*) AS points, count_if(isfinite(p.val)) AS finite, max(p.step) AS last_step,
    max_by({val: p.val, step: p.step, line: p.line, series_key: p.series_key}, p.step) AS final,
    min_by({val: p.val, step: p.step}, (p.val, p.step)) FILTER (isfinite(p.val)) AS low,
    min_by({step: p.step, line: p.line, series_key: p.series_key}, p.step)
      FILTER (p.step >= min_steps AND isfinite(p.val) AND p.val < level) AS touch
  FROM (
    SELECT x.exp, x.series_key, x.step, x.line, x.val FROM plain_point x WHERE x.for_spot
    UNION ALL
    SELECT y.exp, y.series_key, y.step, y.line, y.val FROM other_point y
  ) p
  GROUP BY p.exp
),
rolling AS (
  SELECT p.exp, p.series_key, p.step, p.line, row_number() OVER w AS n, avg(p.val) OVER w AS mean
  FROM (
    SELECT x.exp, x.series_key, x.step, x.line, x.val FROM plain_point x WHERE x.for_mean AND isfinite(x.val)
    UNION ALL
    SELECT y.exp, y.series_key, y.step, y.line, y.val FROM other_point y WHERE y.comes_near AND isfinite(y.val)
  ) p
  WINDOW w AS (PARTITION BY p.exp ORDER BY p.step ROWS BETWEEN (smooth - 1) PRECEDING AND CURRENT ROW)
),
means AS (
  SELECT r.exp, min(r.mean) AS lowest_mean,
    min_by({step: r.step, line: r.line, series_key: r.series_key, mean: r.mean}, r.step) FILTER (r.mean < level) AS hit
  FROM rolling r
  WHERE r.n >= smooth AND r.step >= min_steps
  GROUP BY r.exp
),
ahead AS (
  SELECT p.exp, p.series_key, p.step, p.line, count_if(isfinite(p.val) AND p.val < level) OVER (
      PARTITION BY p.exp ORDER BY p.step ROWS BETWEEN CURRENT ROW AND (sustain - 1) FOLLOWING
    ) AS below
  FROM other_point p
  WHERE p.comes_near
),
curve_flags AS (
  SELECT o.exp, min(o.upto - o.n) AS before,
    string_agg(coalesce(o.flags, repeat('1', o.n)), '' ORDER BY o.upto) AS flags
  FROM ordered o JOIN marks m ON m.exp = o.exp
  WHERE m.plain AND o.upto > m.before_low
  GROUP BY o.exp
),
zeros AS MATERIALIZED (
  SELECT f.exp, f.before + instr(f.flags, repeat('0', sustain)) AS place
  FROM curve_flags f
  WHERE contains(f.flags, repeat('0', sustain))
),
held AS (
  SELECT z.exp, {step: b.steps[z.place - o.upto + o.n], line: b.lines[z.place - o.upto + o.n],
    series_key: o.series_key} AS sustained
  FROM zeros z
    JOIN ordered o ON o.exp = z.exp AND z.place > o.upto - o.n AND z.place <= o.upto
    JOIN blocks b ON b.block_key = o.block_key
  UNION ALL
  SELECT a.exp, min_by({step: a.step, line: a.line, series_key: a.series_key}, a.step) AS sustained
  FROM ahead a
  WHERE a.below = sustain AND a.step >= min_steps
  GROUP BY a.exp
)
SELECT s.exp, s.series_keys, CASE WHEN m.plain THEN m.points ELSE s.points END AS points,
  CASE WHEN m.plain THEN m.points - m.non_finite ELSE s.finite END AS finite, s.last_step, s.final, s.low, s.touch, a.lowest_mean, a.hit,
  h.sustained AS held
FROM spots s JOIN marks m ON m.exp = s.exp LEFT JOIN means a ON a.exp = s.exp LEFT JOIN held h ON h.exp = s.exp;
