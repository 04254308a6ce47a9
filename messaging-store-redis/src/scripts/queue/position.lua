-- Where a message stands. ARGV after the head: the session, the id, and how
-- far to count.
--
-- Answers nothing for one that is unknown, else how many stand before it, when it is due, its
-- session's pause and the reason, and '1' where it is out.

local owner, id, most = ARGV[2], ARGV[3], tonumber(ARGV[4])
local record = call('HGET', ITEMS, id)
if not record then
  return {}
end
load({ owner })
local s = sessions[owner]
local line = LINE .. owner
local member = sub(record, 17, 17) .. id .. sub(record, 9, 16)
local is_out = s.out == member

-- How many of those with the same score stand before it. The probe sorts right behind it.
local function before(score, first)
  local probe = member .. '\0'
  call('ZADD', line, score, probe)
  local rank = call('ZRANK', line, probe) - first
  call('ZREM', line, probe)
  return rank
end

local ahead = 0
if not is_out then
  local own = tonumber(call('ZSCORE', line, member))
  local ready = call('ZCOUNT', line, 0, 0)
  local coming = call('ZCOUNT', line, '(0', '(inf')
  local all = call('ZCARD', line)
  if ready > 0 then
    ahead = before(0, 0) - (own == 0 and 1 or 0)
  end
  if all > ready + coming then
    ahead = ahead + before('inf', ready + coming) - (own == INFINITY and 1 or 0)
  end
  if coming > 0 and ahead < most then
    for _, other in ipairs(call('ZRANGEBYSCORE', line, '(0', '(inf', 'LIMIT', 0, most)) do
      if other < member then
        ahead = ahead + 1
      end
    end
  end
  if s.out ~= '' then
    ahead = ahead + 1
  end
end
local due = unpack_numbers('>I8', record)
return { number(min(ahead, most)), number(due), number(s.pause), s.why, is_out and 1 or 0 }
