-- A statistic of an ascending list of numbers by its name: mean, min, max, std (of the values themselves, not of a
-- population behind them), p50, p99.9 … with linear interpolation.  NULL for an empty list and for other names.
CREATE OR REPLACE MACRO _statistic(ascending, name) AS (
  CASE
    WHEN name = 'mean' THEN list_avg(ascending)
    WHEN name = 'std' THEN list_stddev_pop(ascending)
    WHEN name = 'min' THEN ascending[1]
    WHEN name = 'max' THEN ascending[-1]
    WHEN name SIMILAR TO 'p[0-9]{1,2}(\.[0-9]+)?' OR name = 'p100' THEN
      _between(ascending, (len(ascending) - 1) * (name[2:]::DOUBLE / 100))
  END
);
