-- How much of each folder was understood?
--
-- One row per folder below `under` (the deepest folder that holds all files, if not given), and one for the files that
-- lie in it directly (`.`).  `recognised` files have a format: read, copies of what was read, or failed.  `documents`
-- are prose; `other` are empty files, binaries, pointers and the like.  `suspect` counts lines that look like data and
-- did not parse.  `share` is recognised over recognised and unrecognised.  `reason` says of up to three unrecognised files
-- what they look like; all of them: `llmstats query source_health --status unrecognised`.
--
-- parameter: under VARCHAR = '' -- a folder
CREATE OR REPLACE MACRO coverage(under VARCHAR := '') AS TABLE
WITH listed AS (
  SELECT w.path, w.format, w.status, w.lines_suspect, w.lines_matched, w.error,
    regexp_matches(lower(w.path), '\.(md|markdown|mdx|rst|html?|ipynb|tex)$') AS prose
  FROM source_rows w
  WHERE w.path NOT LIKE '%!/%' AND w.path LIKE '/%'
),
ends AS (
  SELECT min(l.path) AS first, max(l.path) AS last FROM listed l
),
base AS (
  SELECT CASE
    WHEN under <> '' THEN rtrim(under, '/')
    ELSE coalesce(list_max([
      left(e.first, i - 1) FOR i IN range(2, length(e.first) + 1)
      IF e.first[i] = '/' AND left(e.first, i) = left(e.last, i)
    ]), '')
  END AS folder
  FROM ends e
),
placed AS (
  SELECT l.*, substr(l.path, length(b.folder) + 2) AS inside
  FROM listed l, base b
  WHERE starts_with(l.path, b.folder || '/')
)
SELECT CASE WHEN contains(p.inside, '/') THEN split_part(p.inside, '/', 1) ELSE '.' END AS folder, count(*) AS files,
  count(*) FILTER (p.format IS NOT NULL) AS recognised, count(*) FILTER (p.status = 'parsed') AS parsed,
  count(*) FILTER (p.status = 'duplicate') AS copies, count(*) FILTER (p.status IN ('failed', 'too_large')) AS failed,
  count(*) FILTER (p.status = 'ambiguous') AS ambiguous,
  count(*) FILTER (p.status = 'unrecognised' AND NOT p.prose) AS unrecognised,
  count(*) FILTER (p.status = 'unrecognised' AND p.prose) AS documents,
  count(*) FILTER (p.status IN ('empty', 'unsupported')) AS other,
  coalesce(sum(p.lines_matched), 0)::BIGINT AS records, coalesce(sum(p.lines_suspect), 0)::BIGINT AS suspect,
  round(count(*) FILTER (p.format IS NOT NULL)
    / nullif(count(*) FILTER (p.format IS NOT NULL OR (p.status = 'unrecognised' AND NOT p.prose)), 0), 3) AS share,
  min(CASE WHEN p.status = 'unrecognised' AND NOT p.prose THEN p.inside || ': ' || p.error END, 3) AS reason
FROM placed p
GROUP BY ALL
ORDER BY folder;
