-- What a file says of all runs below a directory: the description of a system beside its results.
CREATE TABLE cover_rows (
    source_key INTEGER,
    root VARCHAR,
    facts JSON
);

CREATE TABLE definitions (name VARCHAR, description_en VARCHAR, description_zh VARCHAR);
