-- The name of a device without case, separators and words for its vendor: `NVIDIA_A100-SXM4-40GB` is
-- `a-100-sxm-4-40-gb`, and a leading count (`8x`) is left out.  Letters and digits are apart, so that no key is the beginning of another by accident.
CREATE OR REPLACE MACRO _device_key(name) AS array_to_string([
    w FOR w IN regexp_extract_all(
      regexp_replace(lower(name), '^ *[0-9]+ ?[x×*] ', ' '), '\p{Han}+|[a-z]+|[0-9]+(?:\.[0-9]+)?'
    )
    IF w NOT IN (
      'nvidia', 'tesla', 'geforce', 'amd', 'instinct', 'intel', 'habana', 'huawei', 'ascend', 'cambricon', 'kunlun',
      'kunlunxin', 'iluvatar', 'corex', 'metax', 'mthreads', 'moore', 'threads', 'mtt', 'hygon', 'dcu', 'enflame',
      'cloudblazer', 'biren', 'google', 'aws', 'gpu', 'npu', 'card', 'accelerator', 'graphics', '英伟达', '华为', '昇腾',
      '寒武纪', '昆仑芯', '天数', '天数智芯', '沐曦', '曦云', '摩尔线程', '海光', '燧原', '壁仞', '加速卡'
    )
  ], '-');
