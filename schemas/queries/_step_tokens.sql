-- Tokens of one step by a run's configuration: global batch size times sequence length; NULL where it lacks either.
CREATE OR REPLACE MACRO _step_tokens(config) AS nullif(
  try_cast(config->>'global_batch_size' AS DOUBLE) * try_cast(config->>'seq_length' AS DOUBLE), 0
);
