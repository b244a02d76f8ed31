-- Under which conditions did each run measure, as far as its log or its labels say?
--
-- One row per run; NULL where nobody said.  Model and device are the catalogue's where it knows them, so that two
-- spellings are one; a device of which several variants fit carries their memory where they agree.  `task` is what the
-- model's name says of the work (finetune, lora …), empty where it says nothing.  `configured`, `labelled` and
-- `installed` are what configuration, labels and environment say of the lists `keys` and `programs`, in their order:
-- each JSON text is parsed once, since a configuration may be long and there may be thousands.  `records` counts the
-- logged records of a training, `sized` says that the parameters of the model are known.
CREATE OR REPLACE MACRO _conditions(pick, keys, programs) AS TABLE
SELECT r.run_key, r.run_id, r.kind, r.experiment, r.attempt,
  CASE WHEN m.how = 'alias' THEN m.model ELSE r.model END AS model, r.model AS model_name,
  array_to_string(list_sort(list_distinct(regexp_extract_all(
    lower(r.model), '(?:^|[-_/ ])(finetune|sft|qlora|lora|pretrain|dpo|grpo|ppo|rlhf)(?:$|[-_/ ])', 1))), ' ') AS task,
  d.vendor, coalesce(
    d.device || CASE WHEN d.how = 'ambiguous' AND d.memory IS NOT NULL
      THEN ' ' || round(d.memory / 2 ** 30)::INT || 'GB' ELSE '' END,
    r.device) AS device,
  r.device_count AS devices, r.node_count AS nodes, r.framework, r.precision, r.parallelism AS layout, r.dataset,
  json_extract_string(r.config, keys) AS configured, json_extract_string(r.labels, keys) AS labelled,
  json_extract_string(r.environment, programs) AS installed,
  coalesce(r.last_step - r.first_step, 0) AS steps, s.records, m.active_parameters IS NOT NULL AS sized, f.path AS place
FROM run_rows r
  JOIN _picked(pick) k ON k.run_key = r.run_key
  JOIN _run_device() d ON d.run_key = r.run_key
  JOIN _run_model() m ON m.run_key = r.run_key
  LEFT JOIN (
    SELECT x.run_key, min_by(w.path, (-len(x.facts::VARCHAR), w.path)) AS path
    FROM run_facts x JOIN source_rows w ON w.source_key = x.source_key
    GROUP BY x.run_key
  ) f ON f.run_key = r.run_key
  LEFT JOIN (
    SELECT y.run_key, max(y.n) AS records FROM series_rows y WHERE y.phase = 'train' GROUP BY y.run_key
  ) s ON s.run_key = r.run_key;
