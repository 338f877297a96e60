-- Documents by an index: their ids and strings, one after the other. At most so many, and no more after so many bytes.
--
-- KEYS[1]: the index. ARGV: what the documents' keys begin with, ZRANGEBYSCORE or ZREVRANGEBYSCORE with its two ends,
-- how many, how many bytes.

local found, size = {}, 0
for _, id in ipairs(redis.call(ARGV[2], KEYS[1], ARGV[3], ARGV[4], 'LIMIT', 0, ARGV[5])) do
  local raw = redis.call('GET', ARGV[1] .. id)
  if raw then
    found[#found + 1] = id
    found[#found + 1] = raw
    size = size + #raw
    if size >= tonumber(ARGV[6]) then break end
  end
end
return found
