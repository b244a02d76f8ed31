-- The speed of each training run in its steady state, and where it dropped: what `throughput` and
-- `throughput_drops` show.
--
-- One row per run.  `drops` is a list of stretches of logged steps whose speed lies below `drop` times the median.
-- Two slow records belong to one stretch when not more than one and a half logging intervals lie between them.
-- Medians of seconds and data wait are taken over a sample of about 10,000 records of a longer run.
CREATE OR REPLACE MACRO _speed(drop, warmup, pick) AS TABLE
WITH speed AS MATERIALIZED (FROM _step_speed(pick, warmup)),
base AS MATERIALIZED (
  SELECT s.run_key, any_value(s.driver) AS driver, count(*) AS records, min(s.step) AS first_step,
    max(s.step) AS last_step, sum(s.work) AS work, sum(s.span) AS span,
    quantile_cont(s.work / s.span, [0.05, 0.5, 0.95]) AS quantiles, avg(s.seconds) AS seconds,
    sum(s.data) / sum(CASE WHEN s.data IS NOT NULL THEN s.seconds END) AS data_share,
    median(s.seconds) FILTER (_sampled(s.step, s.stride)) AS usual_seconds,
    median(s.data) FILTER (_sampled(s.step, s.stride)) AS usual_data,
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
  SELECT s.run_key, s.series_key, s.step, s.line, s.seconds, s.data, s.work, s.span
  FROM speed s
  WHERE s.work < s.span * (SELECT f.by_key FROM floors f)[s.run_key + 1]
),
marked AS (
  SELECT s.*, b.every, b.usual_seconds, b.usual_data, b.quantiles[2] AS usual_speed,
    s.step - lag(s.step) OVER (PARTITION BY s.run_key ORDER BY s.step) <= 1.5 * b.every AS goes_on
  FROM slow s JOIN base b ON b.run_key = s.run_key
),
numbered AS (
  SELECT m.*, count_if(m.goes_on IS NOT TRUE) OVER (PARTITION BY m.run_key ORDER BY m.step) AS stretch
  FROM marked m
),
stretches AS (
  SELECT n.run_key, n.stretch, min(n.step) AS first_step, max(n.step) AS last_step, count(*) AS records,
    sum(n.work) / sum(n.span) / any_value(n.usual_speed) AS ratio,
    avg(n.seconds - n.usual_seconds) AS over_seconds, avg(n.data - n.usual_data) AS over_data,
    any_value(n.usual_seconds) AS usual_seconds, any_value(n.every) AS every,
    min_by({series_key: n.series_key, line: n.line}, n.step) AS start
  FROM numbered n
  GROUP BY n.run_key, n.stretch
),
caused AS (
  SELECT t.run_key, {
      first_step: t.first_step, last_step: t.last_step, ratio: t.ratio, cause: CASE
        WHEN t.over_seconds IS NULL THEN 'not known'
        WHEN t.over_seconds <= 0.05 * t.usual_seconds THEN 'fewer tokens'
        WHEN t.over_data IS NULL THEN 'not known'
        WHEN t.over_data >= 0.5 * t.over_seconds THEN 'data wait'
        ELSE 'compute'
      END,
      lost_seconds: greatest(0, t.over_seconds) * t.records * t.every, start: t.start
    } AS stretch
  FROM stretches t
)
SELECT b.*, c.drops
FROM base b LEFT JOIN (
  SELECT x.run_key, list(x.stretch ORDER BY x.stretch.first_step) AS drops FROM caused x GROUP BY x.run_key
) c ON c.run_key = b.run_key;
