-- The speed of each training run in its steady state, and where it dropped: what `throughput` and
-- `throughput_drops` show.
--
-- One row per run.  `drops` is a list of stretches of logged steps whose speed lies below `drop` times the median.
-- Two slow records belong to one stretch when they have the same cause and not more than one and a half logging
-- intervals lie between them.
-- Medians of seconds and data wait are taken over a sample of about 10,000 records of a longer run.
CREATE OR REPLACE MACRO _speed(drop, warmup, pick) AS TABLE
WITH speed AS MATERIALIZED (FROM _step_speed(pick, warmup)),
base AS MATERIALIZED (
  SELECT s.run_key, count(*) AS records, min(s.step) AS first_step, max(s.step) AS last_step,
    sum(s.work) AS work, sum(s.span) AS span, quantile_cont(s.pace, [0.05, 0.5, 0.95]) AS quantiles,
    avg(s.mean_seconds) AS seconds,
    sum(s.data) / sum(CASE WHEN s.data IS NOT NULL THEN s.seconds END) AS data_share,
    median(s.seconds) FILTER (s.sampled) AS usual_seconds,
    median(s.data) FILTER (s.sampled) AS usual_data,
    epoch(max_by(s.tick, s.step) - min_by(s.tick, s.step)) AS elapsed,
    min_by({series_key: s.series_key, line: s.line}, s.step) AS start,
    greatest(1, (max(s.step) - min(s.step)) / greatest(1, count(*) - 1)) AS every
  FROM speed s
  GROUP BY s.run_key
),
-- Looked up by position: a join of millions of rows to a few is a guess that the optimizer may lose.
floors AS MATERIALIZED (
  SELECT list(drop * b.quantiles[2] ORDER BY g.k) AS by_key
  FROM range((SELECT max(x.run_key) + 1 FROM base x)) g(k) LEFT JOIN base b ON b.run_key = g.k
),
slow AS MATERIALIZED (
  SELECT s.run_key, s.series_key, s.step, s.line, s.seconds, s.data, s.pace
  FROM speed s
  WHERE s.pace < (SELECT f.by_key FROM floors f)[s.run_key + 1]
),
counts_tokens AS (
  SELECT DISTINCT r.run_key FROM _roles(pick) r WHERE r.driver = 'tokens'
),
excess AS (
  SELECT s.*, b.every, b.usual_seconds, b.quantiles[2] AS usual_speed,
    s.seconds - b.usual_seconds AS over, s.data - b.usual_data AS over_data
  FROM slow s JOIN base b ON b.run_key = s.run_key
),
judged AS (
  SELECT e.*, CASE
      WHEN e.over <= 0.05 * e.usual_seconds AND e.run_key IN (FROM counts_tokens) THEN 'fewer tokens'
      WHEN e.over > 0 AND e.over_data >= 0.5 * e.over THEN 'data wait'
      WHEN e.over > 0 AND e.data IS NOT NULL THEN 'compute'
      ELSE 'not known'
    END AS cause
  FROM excess e
),
marked AS (
  SELECT j.*, j.step - lag(j.step) OVER w <= 1.5 * j.every AND j.cause = lag(j.cause) OVER w AS goes_on
  FROM judged j
  WINDOW w AS (PARTITION BY j.run_key ORDER BY j.step)
),
numbered AS (
  SELECT m.*, count_if(m.goes_on IS NOT TRUE) OVER (PARTITION BY m.run_key ORDER BY m.step) AS stretch
  FROM marked m
),
stretches AS (
  SELECT n.run_key, {
      first_step: min(n.step), last_step: max(n.step), cause: any_value(n.cause),
      ratio: count(*) / sum(1 / n.pace) / any_value(n.usual_speed),
      lost_seconds: sum(greatest(0, n.over)) FILTER (n.over IS NOT NULL) * any_value(n.every),
      series_key: min_by(n.series_key, n.step), line: min_by(n.line, n.step)
    } AS stretch
  FROM numbered n
  GROUP BY n.run_key, n.stretch
)
SELECT b.*, c.drops
FROM base b LEFT JOIN (
  SELECT t.run_key, list(t.stretch ORDER BY t.stretch.first_step) AS drops FROM stretches t GROUP BY t.run_key
) c ON c.run_key = b.run_key;
