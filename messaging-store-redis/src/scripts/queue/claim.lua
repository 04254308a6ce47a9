-- Hands out messages. ARGV after the head: now, until when they are the claimer's, how many at the
-- most, what the tokens of these claims begin with (6), and the sessions with their tenants (32) that
-- the claimer would have served. Where others were faster, whose turn it is in this partition.
--
-- Answers the partition's state and the claims: session (16), tenant (16), priority (1), id (16),
-- recipient (8), due (8), token (8), and '1' where it would open a chat, else '0'.

-- How many sessions whose time has come are looked at in one call, and how many such messages.
local SESSIONS_AT_ONCE, MESSAGES_AT_ONCE = 128, 2000

local now, most, tokens = tonumber(ARGV[2]), tonumber(ARGV[4]), ARGV[5]
seen, lease, lease_text = now, tonumber(ARGV[3]), ARGV[3]

-- Sessions whose lease, pause or wait is over.
local due = call('ZRANGEBYSCORE', TIMERS, '-inf', number(now), 'LIMIT', 0, SESSIONS_AT_ONCE)
local ended = call('ZRANGEBYSCORE', IDLE, '-inf', number(now), 'LIMIT', 0, SESSIONS_AT_ONCE)
if #due > 0 or #ended > 0 then
  load(due)
  load(ended)
  for _, id in ipairs(due) do
    local s = sessions[id]
    s.stand = ON_TIMER
    if s.out ~= '' then
      -- Whoever had it may still be in time, as long as nobody else gets it.
      local place, recipient = sub(s.out, 1, 17), sub(s.out, 18)
      load_heads({ id .. recipient })
      local record = call('HGET', ITEMS, sub(place, 2))
      if record then
        call('HSET', ITEMS, sub(place, 2), sub(record, 1, 18) .. s.token)
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

local claimed, ids, moves_left = {}, {}, MESSAGES_AT_ONCE
local would_open_chats = {}

-- Moves what has become due to those that may leave; as much as one call may, and tells whether that is
-- all.
local function make_ready(key)
  local late = {}
  if moves_left > 0 then
    late = call('ZRANGEBYSCORE', key, '(0', number(now), 'LIMIT', 0, moves_left)
  end
  if #late > 0 then
    local ready = {}
    for n, member in ipairs(late) do
      ready[2 * n - 1], ready[2 * n] = READY[byte(member)], member
    end
    call('ZADD', key, unpack(ready))
  end
  local is_all = #late < moves_left
  moves_left = moves_left - #late
  return is_all
end

-- Takes the first that may leave out of a session's line, and tells whether it would open a chat.
local function take(s, may_open)
  local line, opening = LINE .. s.id, OPENING .. s.id
  local kinds = s.kinds % OPENS
  if may_open or kinds == 3 or kinds > 4 then
    -- Of each kind the first has waited longest.
    local best, least, opens
    for lane = 0, may_open and 1 or 0 do
      for priority = 0, 2 do
        local member
        if lane == 1 or kinds % (2 * BIT[priority]) >= BIT[priority] then
          local score = READY[priority]
          member = call('ZRANGEBYSCORE', lane == 1 and opening or line, score, score, 'LIMIT', 0, 1)[1]
        end
        local rank = member and urgency(priority, lane, sub(member, 2, 17))
        if member and (not best or rank < least
          or rank == least and sub(member, 2, 17) < sub(best, 2, 17)) then
          best, least, opens = member, rank, lane == 1
        end
      end
    end
    if best then
      call('ZREM', opens and opening or line, best)
      return best, opens
    end
  end
  local first = call('ZPOPMIN', line)
  local score = tonumber(first[2])
  if score and score <= now then
    return first[1], false
  elseif score then
    call('ZADD', line, first[2], first[1])
  end
end

if most > 0 then
  local next_ids, turns_of = {}, {}
  if #ARGV > 5 then
    local found = {}
    for i, score in ipairs(call('ZMSCORE', TURNS, unpack(ARGV, 6))) do
      if score then
        found[#found + 1] = ARGV[i + 5]
        next_ids[#next_ids + 1] = sub(ARGV[i + 5], 1, 16)
        turns_of[#next_ids] = tonumber(score)
      end
    end
    if #found > 0 then
      call('ZREM', TURNS, unpack(found))
    end
  end
  if most > #next_ids then
    local popped = call('ZPOPMIN', TURNS, most - #next_ids)
    for i = 1, #popped, 2 do
      next_ids[#next_ids + 1] = sub(popped[i], 1, 16)
      turns_of[#next_ids] = tonumber(popped[i + 1])
      turn = max(turn, turns_of[#next_ids])
    end
  end
  if #ARGV > 5 then
    -- The claimer has an order of its own: the turn is that of the first who waits still.
    local first = tonumber(call('ZRANGE', TURNS, 0, 0, 'WITHSCORES')[2])
    if first then
      turn = max(turn, first - 1)
    else
      for _, score in ipairs(turns_of) do
        turn = max(turn, score)
      end
    end
  end
  load(next_ids)
  for i, id in ipairs(next_ids) do
    local s = sessions[id]
    local line = LINE .. id
    s.stand, s.turn = NOWHERE, turns_of[i]
    local all_moved = true
    if s.due > 0 and s.due <= now then
      -- What has become due may stand before what already was. A session with more of it than one
      -- call may move is served by a later one.
      all_moved = make_ready(line)
      if all_moved then
        local coming = call('ZRANGEBYSCORE', line, '(' .. number(now), '(inf', 'WITHSCORES',
          'LIMIT', 0, 1)
        s.due = tonumber(coming[2]) or 0
      end
    end
    local may_open = s.kinds >= OPENS and s.chats_pause <= now
    if may_open and all_moved then
      all_moved = make_ready(OPENING .. id)
    end
    local free = s.out == '' and s.pause <= now and s.tenant ~= NO_TENANT
    if all_moved and free then
      local first, opens = take(s, may_open)
      if first then
        claimed[#claimed + 1] = s
        s.out, s.token, s.turn = first, tokens .. pack('>I2', #claimed), 0
        ids[#ids + 1] = sub(first, 2, 17)
        would_open_chats[#claimed] = opens
      end
    end
    touch(s)
  end
end

local answer = { '' }
if #claimed > 0 then
  for i, record in ipairs(call('HMGET', ITEMS, unpack(ids))) do
    local s = claimed[i]
    answer[i + 1] = s.id .. s.tenant .. s.out .. (record and sub(record, 1, 8) or pack('>I8', now))
      .. s.token .. (would_open_chats[i] and '1' or '0')
  end
end
local earliest = settle()

-- Tenants whose last turn was served begin anew.
local done = call('ZRANGEBYSCORE', TENANTS, '-inf', turn, 'LIMIT', 0, 2 * most + 8)
if #done > 0 then
  call('ZREM', TENANTS, unpack(done))
end

-- What enters for its time having come is no news. What a claim holds until its lease ends is.
answer[1] = close(earliest > now and earliest or INFINITY)
return answer
