-- One row per block of records of an even run (see `_even`), warm-up left out: what `_record_speed` says one by one.
--
-- `work` over `span` is the speed per device of the block, `seconds` and `waits` are sums.  No record of it is slower
-- than `slowest`, a lower bound of work over span.  `paces`, `times` and `data` are the values of a sample: of a run
-- with n records one in n // 10,000 (all below 20,000), from a place in the block that its number scatters.
-- Only blocks at the end of the warm-up, and those with a speed that is none, are opened.
CREATE OR REPLACE MACRO _block_speed(pick, warmup) AS TABLE
WITH member AS MATERIALIZED (
  SELECT r.series_key, r.run_key, r.role, r.driver, r.apart, r.stride, y.first_step
  FROM _roles(pick) r JOIN _steady(pick, warmup) y ON y.run_key = r.run_key
  WHERE r.run_key IN (SELECT e.run_key FROM _even(pick) e)
),
-- Each figure only where it is needed: over a hundred million values each costs seconds.
stat AS MATERIALIZED (
  SELECT m.run_key, m.series_key, m.role, v.block_key, len(v.vals) AS n,
    CASE WHEN m.role != 'rate' THEN list_sum(v.vals) END AS total,
    CASE WHEN m.role = m.driver OR m.apart OR m.driver = 'tokens' THEN list_min(v.vals) END AS low,
    CASE WHEN m.driver != 'rate' AND (m.role = 'time' OR m.apart) THEN list_max(v.vals) END AS high,
    CASE WHEN m.role = 'rate' THEN list_sum([1 / x FOR x IN v.vals]) END AS inverse,
    [v.vals[i] FOR i IN range((1 + hash(v.block_key) % m.stride)::BIGINT, len(v.vals) + 1, m.stride)] AS sample
  FROM member m JOIN block_values v ON v.series_key = m.series_key
  WHERE NOT v.hidden AND (m.role = m.driver OR m.role IN ('time', 'data'))
),
block AS MATERIALIZED (
  SELECT d.*, m.driver, m.apart, m.stride, m.first_step, b.min_step, b.max_step,
    t.series_key AS time_key, w.series_key AS data_key, w.total AS waits, w.sample AS data,
    CASE m.driver WHEN 'time' THEN d.total ELSE t.total END
      + CASE WHEN m.apart THEN coalesce(w.total, 0) ELSE 0 END AS seconds,
    CASE m.driver WHEN 'time' THEN d.high ELSE t.high END
      + CASE WHEN m.apart THEN coalesce(w.high, 0) ELSE 0 END AS longest,
    CASE WHEN NOT m.apart OR w.sample IS NULL THEN CASE m.driver WHEN 'time' THEN d.sample ELSE t.sample END
      ELSE [x + w.sample[i] FOR x, i IN CASE m.driver WHEN 'time' THEN d.sample ELSE t.sample END] END AS times,
    b.min_step >= m.first_step AND d.low > 0 AND (m.driver != 'tokens' OR t.low > 0)
      AND (NOT m.apart OR coalesce(w.low, 0) >= 0) AS whole
  FROM stat d
    JOIN member m ON m.series_key = d.series_key AND m.role = m.driver
    JOIN blocks b ON b.block_key = d.block_key
    LEFT JOIN (SELECT x.* FROM stat x WHERE x.role = 'time') t ON t.block_key = d.block_key
    LEFT JOIN (SELECT x.* FROM stat x WHERE x.role = 'data') w ON w.block_key = d.block_key
  WHERE b.max_step >= m.first_step
),
-- Unnested from one list, so that the optimizer takes them for few: a guess of millions would make it build tables of
-- all lists there are.
to_open AS MATERIALIZED (
  SELECT unnest(l.block_keys) AS block_key
  FROM (SELECT list(x.block_key) AS block_keys FROM block x WHERE NOT x.whole) l
),
part AS MATERIALIZED (
  SELECT v.block_key, v.series_key, v.vals FROM to_open k JOIN block_values v ON v.block_key = k.block_key
),
place AS MATERIALIZED (
  SELECT b.block_key, b.steps FROM to_open k JOIN blocks b ON b.block_key = k.block_key
),
opened AS (
  SELECT p.*, CASE p.driver WHEN 'time' THEN p.val ELSE p.time END
    + CASE WHEN p.apart THEN coalesce(p.data, 0) ELSE 0 END AS seconds
  FROM (
    SELECT k.run_key, k.series_key, k.time_key, k.data_key, k.block_key, k.driver, k.apart, k.stride, k.first_step,
      unnest(b.steps) AS step, unnest(v.vals) AS val, unnest(t.vals) AS time, unnest(d.vals) AS data
    FROM (SELECT x.* FROM block x WHERE NOT x.whole) k
      JOIN place b ON b.block_key = k.block_key
      JOIN part v ON v.block_key = k.block_key AND v.series_key = k.series_key
      LEFT JOIN part t ON t.block_key = k.block_key AND t.series_key = k.time_key
      LEFT JOIN part d ON d.block_key = k.block_key AND d.series_key = k.data_key
  ) p
  WHERE p.step >= p.first_step AND p.val >= 0
),
timed AS (
  SELECT o.*, CASE o.driver WHEN 'rate' THEN 1 / o.val ELSE o.seconds END AS span,
    CASE o.driver WHEN 'tokens' THEN o.val ELSE 1 END AS work, _sampled(o.step, o.stride) AS sampled
  FROM opened o
)
SELECT k.run_key, k.series_key, k.time_key, k.data_key, k.driver, k.apart, k.first_step, k.block_key, k.min_step,
  k.max_step, k.n AS records, CASE k.driver WHEN 'tokens' THEN k.total ELSE k.n END AS work,
  CASE k.driver WHEN 'rate' THEN k.inverse ELSE k.seconds END AS span, k.seconds, k.waits,
  CASE k.driver WHEN 'rate' THEN k.low WHEN 'tokens' THEN k.low / k.longest ELSE 1 / k.longest END AS slowest,
  CASE k.driver WHEN 'rate' THEN k.sample WHEN 'tokens' THEN [x / k.times[i] FOR x, i IN k.sample]
    ELSE [1 / x FOR x IN k.times] END AS paces,
  k.times, k.data
FROM block k
WHERE k.whole
UNION ALL
SELECT t.run_key, t.series_key, t.time_key, t.data_key, any_value(t.driver), any_value(t.apart),
  any_value(t.first_step), t.block_key, min(t.step), max(t.step), count(*), sum(t.work), sum(t.span), sum(t.seconds),
  sum(t.data), min(t.work / t.span), list(t.work / t.span ORDER BY t.step) FILTER (t.sampled),
  list(t.seconds ORDER BY t.step) FILTER (t.sampled), list(t.data ORDER BY t.step) FILTER (t.sampled)
FROM timed t
WHERE t.span > 0 AND isfinite(t.span)
GROUP BY t.run_key, t.series_key, t.time_key, t.data_key, t.block_key;
