-- The first shape of the store.  Physical tables end in _rows (or hold columns in blocks); what people query are the
-- views below them.  No ENUM, PRIMARY KEY or INDEX: a Parquet lakehouse must be able to hold all of this.

CREATE TABLE meta (key VARCHAR, value VARCHAR);

-- One row per file.  Columns after ingested_at are how ingest finds a file again and reads on where it stopped.
CREATE TABLE source_rows (
    source_key INTEGER,
    path VARCHAR,
    format VARCHAR,
    status VARCHAR,
    duplicate_of VARCHAR,
    detected_by VARCHAR,
    encoding VARCHAR,
    size_bytes BIGINT,
    content_hash VARCHAR,
    bytes_read BIGINT,
    lines_total BIGINT,
    lines_matched BIGINT,
    lines_suspect BIGINT,
    parser_version VARCHAR,
    error VARCHAR,
    ingested_at TIMESTAMP,
    mtime_ns BIGINT,
    inode HUGEINT,
    device HUGEINT,
    blocks VARCHAR,
    state VARCHAR,
    labels JSON,
    container VARCHAR
);

CREATE TABLE containers (path VARCHAR, size BIGINT, mtime_ns BIGINT, inode HUGEINT, device HUGEINT);

-- What one source says of one run, under the name that it uses.  Everything in run_rows follows from here.
CREATE TABLE run_facts (
    fact_key INTEGER,
    source_key INTEGER,
    run_key INTEGER,
    name VARCHAR,
    root VARCHAR,
    fingerprint VARCHAR,
    format VARCHAR,
    facts JSON
);

-- Derived.  base_experiment and work_dir name the group in which attempts are chained; first_step and last_step are
-- of the train phase; a point of this run counts in the stitched curve while its step is below cut_step.
CREATE TABLE run_rows (
    run_key INTEGER,
    run_id VARCHAR,
    root VARCHAR,
    name VARCHAR,
    experiment VARCHAR,
    attempt INTEGER,
    kind VARCHAR,
    framework VARCHAR,
    model VARCHAR,
    dataset VARCHAR,
    vendor VARCHAR,
    device VARCHAR,
    device_count INTEGER,
    node_count INTEGER,
    precision VARCHAR,
    parallelism VARCHAR,
    started_at TIMESTAMP,
    ended_at TIMESTAMP,
    status VARCHAR,
    environment JSON,
    config JSON,
    labels JSON,
    resumed_from BIGINT,
    base_experiment VARCHAR,
    work_dir VARCHAR,
    first_step BIGINT,
    last_step BIGINT,
    step_gap BIGINT,
    cut_step BIGINT
);

-- n counts values (NULL left out), non_finite those of them that are NaN or infinite.  repeats: a step may occur more
-- than once in this file.  marked: some of its values are hidden behind a better source.
CREATE TABLE series_rows (
    series_key INTEGER,
    run_key INTEGER,
    source_key INTEGER,
    fact_key INTEGER,
    rank INTEGER,
    device_index INTEGER,
    phase VARCHAR,
    metric VARCHAR,
    raw_name VARCHAR,
    unit VARCHAR,
    definition VARCHAR,
    precision VARCHAR,
    n BIGINT,
    non_finite BIGINT,
    min_step BIGINT,
    max_step BIGINT,
    repeats BOOLEAN,
    marked BOOLEAN
);

-- Some hundred records that stand on neighbouring lines; all lists of a row are parallel, an absent one is NULL.
-- next_step is the second smallest step.  clock is the log's own; joined comes from another file of the same run.
CREATE TABLE blocks (
    block_key BIGINT,
    source_key INTEGER,
    run_key INTEGER,
    fact_key INTEGER,
    phase VARCHAR,
    rank INTEGER,
    min_step BIGINT,
    next_step BIGINT,
    max_step BIGINT,
    has_clock BOOLEAN,
    steps BIGINT[],
    epochs BIGINT[],
    clock TIMESTAMP[],
    joined TIMESTAMP[],
    lines BIGINT[]
);

-- One series in one block, parallel to the block's lists.  shown NULL: all values count, unless the row is hidden.
CREATE TABLE block_values (
    block_key BIGINT,
    series_key INTEGER,
    vals DOUBLE[],
    shown BOOLEAN[],
    hidden BOOLEAN
);

CREATE TABLE measurement_rows (
    source_key INTEGER,
    run_key INTEGER,
    fact_key INTEGER,
    subject VARCHAR,
    input_len DOUBLE,
    output_len DOUBLE,
    concurrency DOUBLE,
    batch_size DOUBLE,
    request_rate DOUBLE,
    conditions JSON,
    metric VARCHAR,
    statistic VARCHAR,
    value DOUBLE,
    unit VARCHAR,
    definition VARCHAR,
    raw_name VARCHAR,
    raw_value VARCHAR,
    precision VARCHAR,
    line BIGINT,
    hidden BOOLEAN
);

CREATE TABLE request_rows (
    source_key INTEGER,
    run_key INTEGER,
    fact_key INTEGER,
    request BIGINT,
    started DOUBLE,
    ttft DOUBLE,
    tpot DOUBLE,
    e2e DOUBLE,
    input_tokens BIGINT,
    output_tokens BIGINT,
    success BOOLEAN,
    error VARCHAR,
    line BIGINT
);

CREATE TABLE event_rows (
    source_key INTEGER,
    run_key INTEGER,
    fact_key INTEGER,
    time TIMESTAMP,
    step BIGINT,
    level VARCHAR,
    kind VARCHAR,
    message VARCHAR,
    line BIGINT
);

-- derived: found when runs were put together (a label that the log contradicts), not by reading the file.
CREATE TABLE issue_rows (
    source_key INTEGER,
    run_key INTEGER,
    line BIGINT,
    reason VARCHAR,
    excerpt VARCHAR,
    suspect BOOLEAN,
    derived BOOLEAN
);

CREATE TABLE metrics (
    name VARCHAR,
    unit VARCHAR,
    direction VARCHAR,
    description_en VARCHAR,
    description_zh VARCHAR
);

CREATE TABLE devices (
    vendor VARCHAR,
    model VARCHAR,
    aliases VARCHAR,
    memory DOUBLE,
    peak_fp64 DOUBLE,
    peak_fp32 DOUBLE,
    peak_tf32 DOUBLE,
    peak_bf16 DOUBLE,
    peak_fp16 DOUBLE,
    peak_fp8 DOUBLE,
    peak_int8 DOUBLE,
    memory_bandwidth DOUBLE,
    source VARCHAR
);

CREATE VIEW sources AS
SELECT source_key AS source_id, path, format, status, duplicate_of, detected_by, encoding, size_bytes, content_hash,
       bytes_read, lines_total, lines_matched, lines_suspect, parser_version, error, ingested_at, labels
FROM source_rows;

CREATE VIEW runs AS
SELECT run_id, experiment, attempt, kind, framework, model, dataset, vendor, device, device_count, node_count,
       precision, parallelism, started_at, ended_at, status, environment, config, labels, resumed_from, first_step,
       last_step, root
FROM run_rows;

CREATE VIEW series AS
SELECT r.run_id, s.rank, s.device_index, s.phase, s.metric, s.source_key AS source_id, s.raw_name, s.unit,
       s.definition, s.precision, s.n AS "values", s.non_finite
FROM series_rows s JOIN run_rows r ON r.run_key = s.run_key;

CREATE VIEW points AS
SELECT p.run_id, p.rank, p.device_index, p.phase, p.metric, p.step, p.epoch, p.time, p.value, p.source_id, p.line,
       p.definition
FROM (
    SELECT r.run_id, s.rank, s.device_index, s.phase, s.metric, s.definition, s.source_key AS source_id,
           unnest(b.steps) AS step, unnest(b.epochs) AS epoch, unnest(coalesce(b.clock, b.joined)) AS time,
           unnest(b.lines) AS line, unnest(v.vals) AS value, unnest(v.shown) AS shown
    FROM series_rows s
    JOIN run_rows r ON r.run_key = s.run_key
    JOIN block_values v ON v.series_key = s.series_key
    JOIN blocks b ON b.block_key = v.block_key
    WHERE NOT v.hidden
) p
WHERE p.shown IS NULL OR p.shown;

-- The curve of an experiment as one: what a later attempt did again counts there and not here.
CREATE VIEW stitched AS
SELECT p.experiment, p.run_id, p.attempt, p.phase, p.rank, p.device_index, p.metric, p.step, p.epoch, p.time,
       p.value, p.source_id, p.line, p.definition
FROM (
    SELECT r.experiment, r.run_id, r.attempt, r.cut_step, s.rank, s.device_index, s.phase, s.metric, s.definition,
           s.source_key AS source_id,
           unnest(b.steps) AS step, unnest(b.epochs) AS epoch, unnest(coalesce(b.clock, b.joined)) AS time,
           unnest(b.lines) AS line, unnest(v.vals) AS value, unnest(v.shown) AS shown
    FROM series_rows s
    JOIN run_rows r ON r.run_key = s.run_key
    JOIN block_values v ON v.series_key = s.series_key
    JOIN blocks b ON b.block_key = v.block_key
    WHERE NOT v.hidden AND (r.cut_step IS NULL OR b.min_step IS NULL OR b.min_step < r.cut_step)
) p
WHERE (p.shown IS NULL OR p.shown) AND (p.cut_step IS NULL OR p.step IS NULL OR p.step < p.cut_step);

CREATE VIEW measurements AS
SELECT r.run_id, m.subject, m.input_len, m.output_len, m.concurrency, m.batch_size, m.request_rate, m.conditions,
       m.metric, m.statistic, m.value, m.unit, m.definition, m.raw_name, m.raw_value, m.source_key AS source_id,
       m.line, m.precision
FROM measurement_rows m JOIN run_rows r ON r.run_key = m.run_key
WHERE NOT m.hidden;

CREATE VIEW requests AS
SELECT r.run_id, q.request, q.started, q.ttft, q.tpot, q.e2e, q.input_tokens, q.output_tokens, q.success, q.error,
       q.source_key AS source_id, q.line
FROM request_rows q JOIN run_rows r ON r.run_key = q.run_key;

CREATE VIEW events AS
SELECT r.run_id, e.time, e.step, e.level, e.kind, e.message, e.source_key AS source_id, e.line
FROM event_rows e JOIN run_rows r ON r.run_key = e.run_key;

CREATE VIEW issues AS
SELECT i.source_key AS source_id, i.line, i.reason, i.excerpt, i.suspect
FROM issue_rows i;
