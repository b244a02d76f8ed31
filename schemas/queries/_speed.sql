-- The speed of each training run in its steady state, and where it dropped: what `throughput` and
-- `throughput_drops` show.
--
-- One row per run.  `drops` is a list of stretches of logged steps whose speed lies below `drop` times the median.
-- Two slow records belong to one stretch when they have the same cause and not more than one and a half logging
-- intervals lie between them.
-- Runs of one rank and one file are judged from whole blocks of records (`_block_speed`), opened only where a record
-- may be slow; of longer ones medians and quantiles are those of a sample of 10,000 to 20,000 records.
CREATE OR REPLACE MACRO _speed(drop, warmup, pick) AS TABLE
WITH even_block AS MATERIALIZED (FROM _block_speed(pick, warmup)),
speed AS MATERIALIZED (FROM _step_speed(pick, warmup, 'uneven')),
sampled AS (
  SELECT e.run_key, unnest(e.paces) AS pace, unnest(e.times) AS seconds, unnest(e.data) AS data FROM even_block e
),
usual AS (
  SELECT s.run_key, quantile_cont(s.pace, [0.05, 0.5, 0.95]) AS quantiles, median(s.seconds) AS usual_seconds,
    median(s.data) AS usual_data
  FROM sampled s
  GROUP BY s.run_key
),
total AS MATERIALIZED (
  SELECT e.run_key, sum(e.records)::BIGINT AS records, min(e.min_step) AS first_step, max(e.max_step) AS last_step,
    sum(e.work) AS work, sum(e.span) AS span, sum(e.seconds) / sum(e.records) AS seconds,
    sum(e.waits) / sum(CASE WHEN e.waits IS NOT NULL THEN e.seconds END) AS data_share, any_value(e.series_key) AS series_key,
    min_by(e.block_key, e.min_step) AS first_block, max_by(e.block_key, e.max_step) AS last_block
  FROM even_block e
  GROUP BY e.run_key
),
edge AS MATERIALIZED (
  SELECT b.block_key, b.steps, b.lines, coalesce(b.clock, b.joined) AS ticks
  FROM blocks b
  WHERE b.block_key IN (SELECT t.first_block FROM total t UNION ALL SELECT t.last_block FROM total t)
),
base AS MATERIALIZED (
  SELECT t.run_key, t.records, t.first_step, t.last_step, t.work, t.span, u.quantiles, t.seconds, t.data_share,
    u.usual_seconds, u.usual_data,
    epoch(z.ticks[list_position(z.steps, t.last_step)] - a.ticks[list_position(a.steps, t.first_step)]) AS elapsed,
    {series_key: t.series_key, line: a.lines[list_position(a.steps, t.first_step)]} AS start,
    greatest(1, (t.last_step - t.first_step) / greatest(1, t.records - 1)) AS every
  FROM total t
    JOIN usual u ON u.run_key = t.run_key
    JOIN edge a ON a.block_key = t.first_block
    JOIN edge z ON z.block_key = t.last_block
  UNION ALL
  SELECT s.run_key, count(*) AS records, min(s.step) AS first_step, max(s.step) AS last_step,
    sum(s.work) AS work, sum(s.span) AS span, quantile_cont(s.pace, [0.05, 0.5, 0.95]) AS quantiles,
    avg(s.seconds) AS seconds,
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
slow_block AS MATERIALIZED (
  SELECT e.run_key, e.series_key, e.time_key, e.data_key, e.driver, e.apart, e.first_step, e.block_key,
    drop * b.quantiles[2] AS floor
  FROM even_block e JOIN base b ON b.run_key = e.run_key
  WHERE e.slowest < drop * b.quantiles[2]
),
-- Unnested from one list, so that the optimizer takes them for few (see `_block_speed`).
to_open AS MATERIALIZED (
  SELECT unnest(l.block_keys) AS block_key FROM (SELECT list(x.block_key) AS block_keys FROM slow_block x) l
),
slow_part AS MATERIALIZED (
  SELECT v.block_key, v.series_key, v.vals FROM to_open k JOIN block_values v ON v.block_key = k.block_key
),
slow_place AS MATERIALIZED (
  SELECT b.block_key, b.steps, b.lines FROM to_open k JOIN blocks b ON b.block_key = k.block_key
),
opened AS (
  SELECT p.*, CASE p.driver WHEN 'time' THEN p.val ELSE p.time END
    + CASE WHEN p.apart THEN coalesce(p.data, 0) ELSE 0 END AS seconds
  FROM (
    SELECT k.run_key, k.series_key, k.driver, k.apart, k.first_step, k.floor, unnest(b.steps) AS step,
      unnest(b.lines) AS line, unnest(v.vals) AS val, unnest(t.vals) AS time, unnest(d.vals) AS data
    FROM slow_block k
      JOIN slow_place b ON b.block_key = k.block_key
      JOIN slow_part v ON v.block_key = k.block_key AND v.series_key = k.series_key
      LEFT JOIN slow_part t ON t.block_key = k.block_key AND t.series_key = k.time_key
      LEFT JOIN slow_part d ON d.block_key = k.block_key AND d.series_key = k.data_key
  ) p
  WHERE p.step >= p.first_step AND p.val >= 0
),
slow AS MATERIALIZED (
  SELECT s.run_key, s.series_key, s.step, s.line, s.seconds, s.data, s.pace
  FROM speed s
  WHERE s.pace < (SELECT f.by_key FROM floors f)[s.run_key + 1]
  UNION ALL
  SELECT q.run_key, q.series_key, q.step, q.line, q.seconds, q.data, q.pace
  FROM (
    SELECT o.*, CASE o.driver WHEN 'rate' THEN o.val WHEN 'tokens' THEN o.val / o.seconds ELSE 1 / o.seconds END AS pace
    FROM opened o
    WHERE CASE o.driver WHEN 'rate' THEN o.val ELSE o.seconds END > 0
  ) q
  WHERE q.pace < q.floor
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
