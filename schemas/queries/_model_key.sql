-- The name of a model without case, separators, organisation, path and what a build of it adds (chat, hf, AWQ, 32k):
-- `meta-llama/Meta-Llama-3-8B-Instruct` is `llama-3-8-b`.  Letters and digits are apart: `llama-2-7-b` is never the
-- beginning of `llama-2-70-b`.
CREATE OR REPLACE MACRO _model_key(name) AS array_to_string([
    w FOR w IN regexp_extract_all(
      regexp_replace(
        regexp_replace(lower(regexp_extract(name, '([^/\\:]+)[/\\]*(:[^/\\]*)?$', 1)), '(^|[^a-z0-9.])(mx|nv)?(fp|bf|int|w)[0-9]+(a[0-9]+)?($|[^a-z0-9.])', ' ', 'g'),
        '(^|[^a-z0-9.])([0-9]+k|tp[0-9]+|2507|2512|0528|0324|0905|0711)($|[^a-z0-9.])', ' ', 'g'
      ),
      '[a-z]+|[0-9]+(?:\.[0-9]+)?'
    )
    IF w NOT IN (
      'meta', 'chat', 'instruct', 'instruction', 'base', 'hf', 'it', 'awq', 'gptq', 'gguf', 'merged', 'sft', 'dpo',
      'finetune', 'finetuned', 'pretrain', 'pretrained', 'mmlu', 'lora', 'thinking', 'model'
    )
  ], '-');
