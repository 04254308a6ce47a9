-- What there is to know of sessions. ARGV after the head: their ids.
--
-- Answers for each how many messages there are, how many would open a chat, '1' where one is out, the end
-- of its pause and the reason, that of its new chats, and the id of the oldest, or nothing.

-- How many of those that are not due are looked at for the oldest.
local MOST_COMING = 100

local ids = {}
for i = 2, #ARGV do
  ids[i - 1] = ARGV[i]
end
load(ids)
local answer = {}
for i, id in ipairs(ids) do
  local s = sessions[id]
  local line, opening = LINE .. id, OPENING .. id
  local new_chats = call('ZCARD', opening)
  local depth = call('ZCARD', line) + new_chats
  local oldest = false
  local function look(member)
    local of_member = member and sub(member, 2, 17)
    if of_member and (not oldest or of_member < oldest) then
      oldest = of_member
    end
  end
  if s.out ~= '' then
    depth = depth + 1
    look(s.out)
    local field = id .. sub(s.out, 18)
    load_heads({ field })
    if would_open(heads[field]) and sub(heads[field], 1, 17) == sub(s.out, 1, 17) then
      new_chats = new_chats + 1
    end
  end
  for _, key in ipairs(depth > 0 and { line, opening } or {}) do
    for priority = 0, 2 do
      local score = READY[priority]
      look(call('ZRANGEBYSCORE', key, score, score, 'LIMIT', 0, 1)[1])
    end
    for _, member in ipairs(call('ZRANGEBYSCORE', key, '(0', '(inf', 'LIMIT', 0, MOST_COMING)) do
      look(member)
    end
  end
  -- Of those behind others the first of each priority.
  local waiting = call('ZCOUNT', line, 'inf', 'inf')
  for priority = 0, waiting > 0 and 2 or -1 do
    local probe = char(priority)
    call('ZADD', line, 'inf', probe)
    local rank = call('ZRANK', line, probe)
    call('ZREM', line, probe)
    local first = call('ZRANGE', line, rank, rank)[1]
    if first and byte(first) == priority then
      look(first)
    end
  end
  answer[i] = {
    depth, new_chats, s.out ~= '' and 1 or 0, number(s.pause), s.why, number(s.chats_pause),
    s.chats_why, oldest or '',
  }
end
return answer
