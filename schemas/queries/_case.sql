-- The conditions of a run's measurements as its configuration says them, else its labels; NULL where no number.
CREATE OR REPLACE MACRO _case(of_config, of_labels) AS {
  input_len: try_cast(coalesce(of_config->>'input_len', of_labels->>'input_len') AS DOUBLE),
  output_len: try_cast(coalesce(of_config->>'output_len', of_labels->>'output_len') AS DOUBLE),
  concurrency: try_cast(coalesce(of_config->>'concurrency', of_labels->>'concurrency') AS DOUBLE),
  request_rate: try_cast(coalesce(of_config->>'request_rate', of_labels->>'request_rate') AS DOUBLE)
};
