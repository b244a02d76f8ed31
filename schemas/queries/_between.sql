-- The value of a list at a place that may lie between two of its elements; the first is at 0.
CREATE OR REPLACE MACRO _between(ordered, place) AS (
  ordered[1 + floor(place)::BIGINT] * (1 - place % 1) + ordered[1 + ceil(place)::BIGINT] * (place % 1)
);
