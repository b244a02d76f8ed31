-- Figures of devices with the source of each, and the models whose parameters a FLOP count needs.
ALTER TABLE devices ADD COLUMN vendor_zh VARCHAR;
ALTER TABLE devices ADD COLUMN family VARCHAR;
ALTER TABLE devices ADD COLUMN form VARCHAR;
ALTER TABLE devices ADD COLUMN parts INTEGER;
ALTER TABLE devices ADD COLUMN tdp DOUBLE;
ALTER TABLE devices ADD COLUMN sources JSON;
ALTER TABLE devices ADD COLUMN note VARCHAR;

CREATE TABLE models (
    name VARCHAR,
    aliases VARCHAR,
    parameters DOUBLE,
    active_parameters DOUBLE,
    nominal DOUBLE,
    layers DOUBLE,
    hidden DOUBLE,
    heads DOUBLE,
    kv_heads DOUBLE,
    attention_width DOUBLE,
    vocabulary DOUBLE,
    source VARCHAR,
    note VARCHAR
);
