-- Which catalogued model each run names: one row per run.
--
-- `how`: `alias`, `ambiguous` (a figure on which the models of that name differ is NULL), `unknown`, NULL where the run
-- names no model.  Labels `parameters`, `active_parameters`, `layers` and `attention_width` of a run stand before the
-- catalogue, and so does the network that the run's own configuration describes (Megatron's arguments): it is what ran.
-- `active_parameters` are those that one token meets: all of them, where the model is dense.
CREATE OR REPLACE MACRO _run_model() AS TABLE
WITH named AS MATERIALIZED (
  SELECT n.model, _model_key(n.model) AS key FROM (SELECT DISTINCT r.model FROM run_rows r WHERE r.model IS NOT NULL) n
),
alias AS MATERIALIZED (
  SELECT DISTINCT a.name, _model_key(a.alias) AS key
  FROM (SELECT m.name, unnest(list_append(string_split(m.aliases, '; '), m.name)) AS alias FROM models m) a
),
known AS MATERIALIZED (
  SELECT n.model, CASE WHEN count(*) = 1 THEN any_value(m.name) ELSE string_agg(m.name, ' | ' ORDER BY m.name) END AS name,
    _agreed(m.parameters) AS parameters, _agreed(coalesce(m.active_parameters, m.parameters)) AS active_parameters,
    _agreed(m.nominal) AS nominal, _agreed(m.layers) AS layers, _agreed(m.hidden) AS hidden,
    _agreed(m.attention_width) AS attention_width, _agreed(m.vocabulary) AS vocabulary,
    CASE WHEN count(*) > 1 THEN 'ambiguous' ELSE 'alias' END AS how, _agreed(m.source) AS source,
    string_agg(DISTINCT m.note, '; ') AS note
  FROM named n JOIN alias a ON a.key = n.key JOIN models m ON m.name = a.name
  GROUP BY n.model
),
told AS (
  SELECT r.run_key, r.model, r.labels, _megatron_shape(r.config) AS shape,
    coalesce(_figure(r.labels->>'active_parameters'), _figure(r.labels->>'parameters')) AS label
  FROM run_rows r
)
SELECT t.run_key, k.name AS model,
  CASE WHEN t.shape.active IS NULL OR t.label IS NOT NULL
    THEN coalesce(_figure(t.labels->>'parameters'), k.parameters) END AS parameters,
  coalesce(t.label, t.shape.active, k.active_parameters) AS active_parameters, k.nominal,
  coalesce(_figure(t.labels->>'layers'), t.shape.layers, k.layers) AS layers,
  coalesce(t.shape.hidden, k.hidden) AS hidden,
  coalesce(_figure(t.labels->>'attention_width'), t.shape.width, k.attention_width) AS attention_width,
  k.vocabulary, CASE WHEN t.model IS NOT NULL THEN coalesce(k.how, 'unknown') END AS how,
  CASE WHEN t.label IS NOT NULL THEN 'label' WHEN t.shape.active IS NOT NULL THEN 'configuration'
    WHEN k.active_parameters IS NOT NULL THEN 'catalogue' END AS parameters_from,
  k.source, k.note
FROM told t LEFT JOIN known k ON k.model = t.model;
