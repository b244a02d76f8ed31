-- When did a training run slow down, and was it waiting for data or computing?
--
-- One row per stretch of logged steps whose speed lies below `drop` times the run's median, warm-up left out (see
-- `throughput`).  `cause` is `data wait` where waiting for data explains at least half of the time beyond the usual,
-- `compute` where it does not, `fewer tokens` where the steps took no longer, else `not known`.
-- `ranks`: where several ranks log, those with at least half the excess of the worst one (of data wait, or of
-- their own time), the worst first, ten at most.
--
-- parameter: drop DOUBLE = 0.7 -- share of the median speed below which a step counts as slow
-- parameter: warmup DOUBLE = 0.01 -- share of the records left out at the start (10 to 100 records; 0: none)
-- parameter: pick VARCHAR = '*' -- experiment or run, or a pattern with * of them
CREATE OR REPLACE MACRO throughput_drops(
  drop DOUBLE := 0.7, warmup DOUBLE := 0.01, pick VARCHAR := '*'
) AS TABLE
WITH stretch AS MATERIALIZED (
  SELECT u.run_key, u.usual_seconds, u.usual_data, unnest(u.d) FROM (
    SELECT s.run_key, s.usual_seconds, coalesce(s.usual_data, 0) AS usual_data, unnest(s.drops) AS d
    FROM _speed(drop, warmup, pick) s
  ) u
),
-- Materialized so that the join below cannot build on millions of unnested rows.
by_rank AS MATERIALIZED (
  SELECT p.run_key, p.rank, p.step, p.seconds, p.data FROM _rank_speed(pick, warmup, true) p
),
excess AS (
  SELECT t.run_key, t.first_step, p.rank, avg(
      CASE t.cause WHEN 'data wait' THEN p.data - t.usual_data ELSE p.seconds - t.usual_seconds END
    ) AS over
  FROM stretch t JOIN by_rank p ON p.run_key = t.run_key AND p.step BETWEEN t.first_step AND t.last_step
  GROUP BY t.run_key, t.first_step, p.rank
),
slow_ranks AS (
  SELECT e.run_key, e.first_step, list(e.rank ORDER BY e.over DESC, e.rank)[:10] AS ranks
  FROM (SELECT x.*, max(x.over) OVER (PARTITION BY x.run_key, x.first_step) AS worst FROM excess x) e
  WHERE e.over >= 0.5 * e.worst AND e.worst > 0
  GROUP BY e.run_key, e.first_step
)
SELECT k.run_id, t.first_step, t.last_step, t.ratio, t.cause, t.lost_seconds, r.ranks, k.experiment,
  w.path AS source, t.line
FROM stretch t
  JOIN run_rows k ON k.run_key = t.run_key
  LEFT JOIN slow_ranks r ON r.run_key = t.run_key AND r.first_step = t.first_step
  JOIN series_rows x ON x.series_key = t.series_key
  JOIN source_rows w ON w.source_key = x.source_key
ORDER BY k.run_id, t.first_step;
