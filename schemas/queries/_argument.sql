-- A number among a run's configuration, by the name of an argument; NULL where it is none or 0.
CREATE OR REPLACE MACRO _argument(config, name) AS nullif(try_cast(json_extract_string(config, '$."' || name || '"') AS DOUBLE), 0);
