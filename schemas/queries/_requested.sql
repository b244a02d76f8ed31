-- What the requests of serving runs add up to, for runs of which nobody wrote an aggregate.
--
-- Failed requests and those without any output token are counted and left out of everything else; so are values that
-- are not finite.  Requests that the benchmark's end cut off (an error, but no word of success) are none.  Speeds need
-- the start and the end of the requests: tokens and requests that completed, over the time from the first start to
-- the last end.  A request of one output token has no time per output token.
CREATE OR REPLACE MACRO _requested(of_statistic, of_pick, of_model, of_device) AS TABLE
WITH one AS (
  SELECT q.run_key, q.source_key, q.line, q.ttft, q.e2e, q.input_tokens, q.output_tokens,
    coalesce(q.tpot, CASE WHEN q.output_tokens > 1 THEN (q.e2e - q.ttft) / (q.output_tokens - 1) END) AS tpot,
    q.started, q.started + q.e2e AS ended, q.success IS NOT FALSE AND q.output_tokens = 0 AS empty,
    q.success IS NOT FALSE AND coalesce(q.output_tokens, 1) > 0 AS done
  FROM request_rows q
  WHERE q.run_key IN (SELECT a.run_key FROM _asked('serving', of_pick, of_model, of_device) a)
    AND NOT (q.success IS NULL AND q.error IS NOT NULL)
),
told AS (
  SELECT o.run_key, count(*) FILTER (o.done) AS completed, count(*) FILTER (NOT o.done) AS failed,
    count(*) FILTER (o.empty) AS without_tokens,
    max(o.ended) FILTER (o.done AND isfinite(o.ended)) - min(o.started) FILTER (isfinite(o.started)) AS seconds,
    sum(o.output_tokens) FILTER (o.done AND isfinite(o.ended)) AS output_tokens,
    sum(o.input_tokens) FILTER (o.done AND isfinite(o.ended)) AS input_tokens,
    count(*) FILTER (o.done AND isfinite(o.ended)) AS timed,
    list_sort(list(o.ttft) FILTER (o.done AND isfinite(o.ttft))) AS ttfts,
    list_sort(list(o.tpot) FILTER (o.done AND isfinite(o.tpot))) AS tpots,
    list_sort(list(o.e2e) FILTER (o.done AND isfinite(o.e2e))) AS e2es,
    min_by({source_key: o.source_key, line: o.line}, (NOT o.done, o.source_key, o.line)) AS first
  FROM one o
  GROUP BY o.run_key
)
SELECT t.run_key, {
    completed: t.completed, failed: t.failed, without_tokens: t.without_tokens,
    place: w.path || coalesce(':' || t.first.line, ''),
    tps: t.output_tokens / nullif(t.seconds, 0), total: (t.input_tokens + t.output_tokens) / nullif(t.seconds, 0),
    qps: t.timed / nullif(t.seconds, 0),
    ttft: {
      mid: _statistic(t.ttfts, 'p50'), high: _statistic(t.ttfts, 'p99'), chosen: _statistic(t.ttfts, of_statistic)
    },
    tpot: {
      mid: _statistic(t.tpots, 'p50'), high: _statistic(t.tpots, 'p99'), chosen: _statistic(t.tpots, of_statistic)
    },
    e2e: {
      mid: _statistic(t.e2es, 'p50'), high: _statistic(t.e2es, 'p99'), chosen: _statistic(t.e2es, of_statistic)
    }
  } AS sums
FROM told t JOIN source_rows w ON w.source_key = t.first.source_key;
