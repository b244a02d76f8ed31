-- When did a training run slow down, and was it waiting for data or computing?
--
-- `drops` for short.  One row per stretch of logged steps whose speed lies below `drop` times the run's median,
-- warm-up left out (see `throughput`).  `cause` is `data wait` where waiting for data explains at least half of the
-- time beyond the usual, `compute` where it does not, `fewer tokens` where the steps took no longer, else `not known`.
--
-- Where several ranks log: `ranks` are those with at least half the excess of the worst one (of data wait, or of their
-- own time), the worst first, ten at most; `groups` draws neighbours among all of them together (`8–15`): the ranks of
-- a node, or of a tensor-parallel group.  `speed_min` and `speed_median` are the speed per device of the slowest and of
-- the median rank in that stretch, over the run's median (`ratio` is that of the system); `data_max` and `data_median`
-- the seconds that the worst and the median rank waited for data per step.  `heavy_ranks`: in a drop of compute, up to
-- ten ranks whose attention work (`attention_pack_ratio`) was at least 1.5 times the median rank's, the heaviest first;
-- `attention_max` is the highest in a step of that stretch, `attention_median` the usual one of the run.
--
-- parameter: drop DOUBLE = 0.7 in 0..1 -- share of the median speed below which a step counts as slow
-- parameter: warmup DOUBLE = 0.01 in 0..1 -- share of the records left out at the start (10 to 100 records; 0: none)
-- parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
CREATE OR REPLACE MACRO throughput_drops(
  drop DOUBLE := 0.7, warmup DOUBLE := 0.01, pick VARCHAR := '*'
) AS TABLE
WITH stretch AS MATERIALIZED (
  SELECT u.run_key, u.usual_seconds, u.usual_data, u.usual_speed, unnest(u.d) FROM (
    SELECT s.run_key, s.usual_seconds, coalesce(s.usual_data, 0) AS usual_data, s.quantiles[2] AS usual_speed,
      unnest(s.drops) AS d
    FROM _speed(drop, warmup, pick) s
  ) u
),
-- Materialized so that the join below cannot build on millions of unnested rows.
by_rank AS MATERIALIZED (
  SELECT p.run_key, p.rank, p.step, p.seconds, p.data, p.work, p.span FROM _record_speed(pick, warmup, 'several') p
),
inside AS MATERIALIZED (
  SELECT t.run_key, t.first_step, p.rank, avg(
      CASE t.cause WHEN 'data wait' THEN p.data - t.usual_data ELSE p.seconds - t.usual_seconds END
    ) AS over, avg(p.data) AS data, sum(p.work) / sum(p.span) / any_value(t.usual_speed) AS speed
  FROM stretch t JOIN by_rank p ON p.run_key = t.run_key AND p.step BETWEEN t.first_step AND t.last_step
  GROUP BY t.run_key, t.first_step, p.rank
),
spread AS (
  SELECT i.run_key, i.first_step, min(i.speed) AS speed_min, median(i.speed) AS speed_median, max(i.data) AS data_max,
    median(i.data) AS data_median
  FROM inside i
  GROUP BY i.run_key, i.first_step
),
behind AS (
  SELECT e.*, e.rank - row_number() OVER (PARTITION BY e.run_key, e.first_step ORDER BY e.rank) AS neighbours
  FROM (SELECT i.*, max(i.over) OVER (PARTITION BY i.run_key, i.first_step) AS worst FROM inside i) e
  WHERE e.over >= 0.5 * e.worst AND e.worst > 0
),
slow_ranks AS (
  SELECT e.run_key, e.first_step, list(e.rank ORDER BY e.over DESC, e.rank)[:10] AS ranks
  FROM behind e
  GROUP BY e.run_key, e.first_step
),
grouped AS (
  SELECT g.run_key, g.first_step, string_agg(CASE WHEN g.low = g.high THEN g.low::VARCHAR ELSE g.low || '–' || g.high END,
      ', ' ORDER BY g.low) AS groups
  FROM (
    SELECT e.run_key, e.first_step, min(e.rank) AS low, max(e.rank) AS high
    FROM behind e
    GROUP BY e.run_key, e.first_step, e.neighbours
  ) g
  GROUP BY g.run_key, g.first_step
),
attention AS MATERIALIZED (
  SELECT q.run_key, q.rank, q.step, q.val
  FROM (
    SELECT s.run_key, s.rank, unnest(b.steps) AS step, unnest(v.vals) AS val, unnest(v.shown) AS shown
    FROM series_rows s
      JOIN block_values v ON v.series_key = s.series_key
      JOIN blocks b ON b.block_key = v.block_key
    WHERE s.metric = 'attention_pack_ratio' AND s.rank IS NOT NULL AND s.phase = 'train' AND NOT v.hidden
      AND s.run_key IN (SELECT t.run_key FROM stretch t WHERE t.cause = 'compute')
  ) q
  WHERE q.shown IS NOT FALSE AND isfinite(q.val)
),
usual_attention AS (
  SELECT a.run_key, median(a.val) AS usual FROM attention a GROUP BY a.run_key
),
heavy AS (
  SELECT h.run_key, h.first_step, list(h.rank ORDER BY h.mean DESC, h.rank) FILTER (h.mean >= 1.5 * h.middle)[:10] AS ranks,
    max(h.top) AS top
  FROM (
    SELECT t.run_key, t.first_step, a.rank, avg(a.val) AS mean, max(a.val) AS top,
      median(avg(a.val)) OVER (PARTITION BY t.run_key, t.first_step) AS middle
    FROM stretch t JOIN attention a ON a.run_key = t.run_key AND a.step BETWEEN t.first_step AND t.last_step
    WHERE t.cause = 'compute'
    GROUP BY t.run_key, t.first_step, a.rank
  ) h
  GROUP BY h.run_key, h.first_step
)
SELECT k.run_id, t.first_step, t.last_step, t.ratio, t.cause, t.lost_seconds, r.ranks, g.groups,
  d.speed_min, d.speed_median, d.data_max, d.data_median, h.ranks AS heavy_ranks, h.top AS attention_max,
  CASE WHEN h.top IS NOT NULL THEN c.usual END AS attention_median, k.experiment,
  w.path || coalesce(':' || t.line, '') AS source
FROM stretch t
  JOIN run_rows k ON k.run_key = t.run_key
  LEFT JOIN slow_ranks r ON r.run_key = t.run_key AND r.first_step = t.first_step
  LEFT JOIN grouped g ON g.run_key = t.run_key AND g.first_step = t.first_step
  LEFT JOIN spread d ON d.run_key = t.run_key AND d.first_step = t.first_step
  LEFT JOIN heavy h ON h.run_key = t.run_key AND h.first_step = t.first_step
  LEFT JOIN usual_attention c ON c.run_key = t.run_key
  JOIN series_rows x ON x.series_key = t.series_key
  JOIN source_rows w ON w.source_key = x.source_key
ORDER BY k.run_id, t.first_step;
