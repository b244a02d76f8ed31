-- Whether a step belongs to a fixed pseudo-random sample of one in `stride`; cheap, and blind to any regularity.
CREATE OR REPLACE MACRO _sampled(at_step, stride) AS (
  stride = 1 OR hash(at_step::BIGINT) % stride::UBIGINT = 0
);
