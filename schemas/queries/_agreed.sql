-- A figure of several variants: theirs, where all have it and agree; else NULL.
CREATE OR REPLACE MACRO _agreed(figure) AS CASE WHEN count(figure) = count(*) AND min(figure) = max(figure) THEN min(figure) END;
