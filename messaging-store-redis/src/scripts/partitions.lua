-- Tells how many partitions those use who share a prefix, and that the caller uses so many where
-- nobody else does.
-- KEYS: where that is kept; ARGV: how many the caller uses, for how many seconds to remember it.
local used = redis.call('GET', KEYS[1]) or ARGV[1]
if used == ARGV[1] then
  redis.call('SET', KEYS[1], used, 'EX', ARGV[2])
end
return tonumber(used)
