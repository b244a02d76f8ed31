-- What the name of a device says of its memory, in GiB; NULL where it says nothing.
CREATE OR REPLACE MACRO _device_memory(name) AS try_cast(regexp_extract(lower(name), '(^|[^a-z0-9.])([0-9]+) ?g(i?b)?([^a-z0-9]|$)', 2) AS DOUBLE);
