-- Tokens of one training sequence by a run's configuration; NULL where it does not say.
CREATE OR REPLACE MACRO _sequence_length(config) AS nullif(coalesce(
  try_cast(config->>'seq_length' AS DOUBLE), try_cast(config->>'sequence length' AS DOUBLE),
  try_cast(config->>'sequence_length' AS DOUBLE), try_cast(config->>'seq_len' AS DOUBLE)
), 0);
