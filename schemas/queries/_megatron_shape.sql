-- The network that Megatron's arguments describe, as far as its FLOPs go; NULL where they do not say all of it.
--
-- `active` counts weight matrices and embeddings that one token meets: norms and biases, less than a thousandth, are
-- left out.  Mixtures of experts are understood where every layer is one (`moe_layer_freq` 1); latent attention is not.
CREATE OR REPLACE MACRO _megatron_shape(config) AS CASE
  WHEN coalesce(lower(config->>'multi_latent_attention'), 'false') = 'false'
    AND (_argument(config, 'num_experts') IS NULL OR coalesce(config->>'moe_layer_freq', '1') = '1')
  THEN {
    layers: _argument(config, 'num_layers'), hidden: _argument(config, 'hidden_size'),
    width: _argument(config, 'num_attention_heads') * _argument(config, 'kv_channels'),
    active:
      coalesce(_argument(config, 'padded_vocab_size'), _argument(config, 'vocab_size')) * _argument(config, 'hidden_size')
        * CASE WHEN lower(config->>'untie_embeddings_and_output_weights') = 'true' THEN 2 ELSE 1 END
      + _argument(config, 'num_layers') * _argument(config, 'hidden_size') * (
        2 * _argument(config, 'kv_channels') * (
          _argument(config, 'num_attention_heads') + CASE lower(config->>'group_query_attention')
            WHEN 'true' THEN _argument(config, 'num_query_groups')
            ELSE coalesce(_argument(config, 'num_key_value_heads'), _argument(config, 'num_attention_heads'))
          END
        )
        + CASE WHEN lower(config->>'swiglu') = 'true' THEN 3 ELSE 2 END * CASE
          WHEN coalesce(_argument(config, 'num_experts'), 1) = 1 THEN _argument(config, 'ffn_hidden_size')
          ELSE coalesce(_argument(config, 'moe_ffn_hidden_size'), _argument(config, 'ffn_hidden_size'))
            * _argument(config, 'moe_router_topk')
            + coalesce(_argument(config, 'moe_shared_expert_intermediate_size'), 0)
        END
        + CASE WHEN _argument(config, 'num_experts') > 1 THEN _argument(config, 'num_experts') ELSE 0 END
      )
  }
END;
