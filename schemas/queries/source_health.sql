-- Which files were read, as what, and what in them was not understood?
--
-- One row per file.  `matched` counts lines that held data and were read, `suspect` those that look like data and
-- were not; `examples` are the first three of them (`line: reason: excerpt`), else the first remarks on the file.
-- Files with trouble come first: failed, ambiguous, too large, with suspect lines; then those that were read, then
-- copies, then files of no known format.
--
-- parameter: status VARCHAR = '*' -- status (parsed, failed, unrecognised, duplicate …), or a pattern with *
-- parameter: path VARCHAR = '*' -- path, or a pattern with *
CREATE OR REPLACE MACRO source_health(status VARCHAR := '*', path VARCHAR := '*') AS TABLE
WITH trouble AS (
  SELECT i.source_key, count(*) FILTER (i.suspect IS FALSE) AS remarks,
    min_by(
      coalesce(i.line || ': ', '') || i.reason || coalesce(': ' || nullif(left(i.excerpt, 200), ''), ''),
      (i.suspect IS FALSE, coalesce(i.line, 0), i.reason), 3
    ) AS examples
  FROM issue_rows i
  GROUP BY i.source_key
)
SELECT w.path, w.format, w.status, w.lines_total, w.lines_matched AS matched, w.lines_suspect AS suspect,
  coalesce(t.remarks, 0) AS remarks, t.examples, w.error, w.duplicate_of, w.detected_by, w.encoding, w.size_bytes
FROM source_rows w LEFT JOIN trouble t ON t.source_key = w.source_key
WHERE (status = '*' OR w.status GLOB status) AND (path = '*' OR w.path = path OR w.path GLOB path)
ORDER BY CASE
    WHEN w.status IN ('failed', 'ambiguous', 'too_large') THEN 0
    WHEN w.lines_suspect > 0 THEN 1
    WHEN t.remarks > 0 THEN 2
    WHEN w.status = 'parsed' THEN 3
    WHEN w.status = 'duplicate' THEN 4
    WHEN w.status = 'unrecognised' THEN 5
    ELSE 6
  END, w.path;
