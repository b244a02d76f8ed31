-- A figure that a label gives: a positive finite number, else NULL.
CREATE OR REPLACE MACRO _figure(label) AS CASE
  WHEN isfinite(try_cast(label AS DOUBLE)) AND try_cast(label AS DOUBLE) > 0 THEN try_cast(label AS DOUBLE)
END;
