-- What the name of a device says of its form (`sxm`, `pcie`, `nvl`, `oam`); NULL where it says nothing.
CREATE OR REPLACE MACRO _device_form(name) AS nullif(regexp_extract(lower(name), '(^|[^a-z0-9])(sxm|pcie|nvl|oam)[0-9]*([^a-z0-9]|$)', 2), '');
