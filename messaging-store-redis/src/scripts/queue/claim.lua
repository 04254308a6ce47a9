-- Hands out messages. ARGV: the command that publishes, now, until when they are the claimer's, how
-- many at the most, and the claim's token.
--
-- Answers when there may be more, if ever, and the messages: session (32), tenant (16), priority
-- (1), id (16), recipient (8), due (8).

-- How many sessions whose time has come are looked at in one call, and how many messages of one.
local SESSIONS_AT_ONCE, MESSAGES_AT_ONCE = 128, 500

local publish, now, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local most, token = tonumber(ARGV[4]), ARGV[5]
seen = now

-- Sessions whose lease, pause or wait is over.
local due = call('ZRANGEBYSCORE', TIMERS, '-inf', number(now), 'LIMIT', 0, SESSIONS_AT_ONCE)
local ended = call('ZRANGEBYSCORE', IDLE, '-inf', number(now), 'LIMIT', 0, SESSIONS_AT_ONCE)
local is_more = #due == SESSIONS_AT_ONCE
if #due > 0 or #ended > 0 then
  load(due)
  load(ended)
  for _, id in ipairs(due) do
    local s = sessions[id]
    s.stand = ON_TIMER
    if s.out ~= '' and s.lease <= now then
      -- Whoever had it may still be in time, as long as nobody else gets it.
      local place, recipient = sub(s.out, 1, 17), sub(s.out, 18)
      load_heads({ id .. recipient })
      local record = call('HGET', ITEMS, sub(place, 2))
      if record then
        call('HSET', ITEMS, sub(place, 2), sub(record, 1, 17) .. s.token)
      end
      put_back(s, record and unpack_numbers('>I8', record) or 0)
    end
    touch(s)
  end
  for _, id in ipairs(ended) do
    sessions[id].stand = IS_IDLE
    touch(sessions[id])
  end
  write_heads()
  settle()
end

local claimed, ids, left = {}, {}, 0
if most > 0 then
  local popped = call('ZPOPMIN', TURNS, most)
  local next_ids = {}
  for i = 1, #popped, 2 do
    next_ids[#next_ids + 1] = popped[i]
    turn = max(turn, tonumber(popped[i + 1]))
  end
  is_more = is_more or #next_ids == most
  load(next_ids)
  for i, id in ipairs(next_ids) do
    local s = sessions[id]
    local line = LINE .. id
    s.stand, s.turn = NOWHERE, tonumber(popped[2 * i])
    local all_moved = true
    if s.due > 0 and s.due <= now then
      -- What has become due may stand before what already was.
      local late = call('ZRANGEBYSCORE', line, '(0', number(now), 'LIMIT', 0, MESSAGES_AT_ONCE)
      if #late > 0 then
        local ready = {}
        for n, member in ipairs(late) do
          ready[2 * n - 1], ready[2 * n] = 0, member
        end
        call('ZADD', line, unpack(ready))
      end
      all_moved = #late < MESSAGES_AT_ONCE
      if all_moved then
        local coming = call('ZRANGEBYSCORE', line, '(' .. number(now), '(inf', 'WITHSCORES',
          'LIMIT', 0, 1)
        s.due = tonumber(coming[2]) or 0
      end
    end
    local free = s.out == '' and s.pause <= now and s.tenant ~= NO_TENANT
    if all_moved and free then
      local first = call('ZPOPMIN', line)
      local score = tonumber(first[2])
      if score and score <= now then
        s.out, s.token, s.lease, s.turn = first[1], token, lease, 0
        claimed[#claimed + 1] = s
        ids[#ids + 1] = sub(first[1], 2, 17)
      elseif score then
        call('ZADD', line, first[2], first[1])
      end
    end
    left = left + (all_moved and 0 or 1)
    touch(s)
  end
end

local answer = { '' }
if #claimed > 0 then
  for i, record in ipairs(call('HMGET', ITEMS, unpack(ids))) do
    local s = claimed[i]
    answer[i + 1] = s.id .. s.tenant .. s.out .. (record and sub(record, 1, 8) or pack('>I8', now))
  end
end
local earliest = settle()

-- Tenants whose last turn was served begin anew.
local done = call('ZRANGEBYSCORE', TENANTS, '-inf', turn, 'LIMIT', 0, 2 * most + 8)
if #done > 0 then
  call('ZREM', TENANTS, unpack(done))
end

local next_due = INFINITY
if is_more or most == 0 or left > 0 then
  next_due = call('ZCARD', TURNS) > 0 and now or INFINITY
end
if next_due == INFINITY then
  next_due = tonumber(call('ZRANGE', TIMERS, 0, 0, 'WITHSCORES')[2]) or INFINITY
  next_due = max(next_due, now)
end
answer[1] = next_due == INFINITY and '' or number(next_due)

-- What enters for its time having come is no news. What a claim holds until its lease ends is.
if earliest > now then
  tell(publish, earliest)
end
if told == 'none' or tonumber(told) < next_due then
  told = number(next_due)
end
call('HSET', META, 'turn', turn, 'seen', number(seen), 'told', told)
return answer
