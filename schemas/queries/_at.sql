-- `path:line` of a line of the file that a series came from; NULL where there is no such line.
CREATE OR REPLACE MACRO _at(key_of_series, at_line) AS (
  SELECT w.path || ':' || at_line
  FROM series_rows x JOIN source_rows w ON w.source_key = x.source_key
  WHERE x.series_key = key_of_series
);
