-- Below what is a number surely below `bound`?  One this near to it is at it: arithmetic is off in its last digits.
CREATE OR REPLACE MACRO _short_of(bound) AS (bound * (1 - sign(bound) * 1e-12));
