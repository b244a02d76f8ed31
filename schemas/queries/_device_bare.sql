-- `_device_key` without memory size, form factor and memory kind: `A100-SXM4-40GB` is `a-100`.
CREATE OR REPLACE MACRO _device_bare(name) AS _device_key(regexp_replace(
  regexp_replace(lower(name), '(^|[^a-z0-9.])[0-9]+ ?g(i?b)?([^a-z0-9]|$)', ' '),
  '(^|[^a-z0-9])((sxm|pcie|nvl|oam)[0-9]*|hbm[0-9]e?)([^a-z0-9]|$)', ' ', 'g'
));
