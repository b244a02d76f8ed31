-- The records of `_record_speed`, of runs in which several ranks log, or of the others.
CREATE OR REPLACE MACRO _rank_speed(pick, warmup, several) AS TABLE
FROM _record_speed(pick, warmup, CASE WHEN several THEN 'several' ELSE 'single' END);
