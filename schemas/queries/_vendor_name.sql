-- A vendor's name as the catalogue writes it.
CREATE OR REPLACE MACRO _vendor_name(vendor) AS CASE lower(vendor)
    WHEN 'huawei' THEN 'ascend' WHEN 'habana' THEN 'intel' WHEN 'mthreads' THEN 'moore threads'
    WHEN 'dcu' THEN 'hygon' WHEN 'kunlun' THEN 'kunlunxin' WHEN 'corex' THEN 'iluvatar' WHEN 'tencent' THEN 'zixiao'
    ELSE lower(vendor)
  END;
