-- Where a message stands. ARGV after the head: the session, the id, its recipient, how far to count, and
-- the instant of the caller's latest claim, by which it is told how urgent messages are: not every claim
-- comes to this partition.
--
-- Answers nothing for one that is unknown, else how many stand before it, when it is due, the end of
-- the pause that holds it and the reason, '1' where it is out, what it was put back for, and '1' where it
-- would open a chat or waits behind one that would.

local owner, id, recipient, most = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
seen = tonumber(ARGV[6])
local record = call('HGET', ITEMS, id)
if not record then
  return {}
end
load({ owner })
load_heads({ owner .. recipient })
local s, head = sessions[owner], heads[owner .. recipient]
local priority = byte(record, 17)
local member = char(priority) .. id .. recipient
local is_out = s.out == member
local lane = would_open(head) and 1 or 0

-- The last place of which those before it are counted: that of the message, or of the first to its
-- recipient, where that is later.
local last, last_id = urgency(priority, lane, id), id
if head and sub(head, 2, 17) ~= id then
  last = urgency(priority, 0, id)
  local first_id = sub(head, 2, 17)
  local first = urgency(byte(head), lane, first_id)
  if first > last or first == last and first_id > last_id then
    last, last_id = first, first_id
  end
end

-- Up to when messages of a kind were accepted that are of this urgency, or more urgent.
local function accepted_until(kind, urgent)
  if urgent < 0 then
    return -1
  elseif urgent >= kind then
    return INFINITY
  end
  return floor(seen / 1000) - ceil((kind - urgent) / 2) * AGE
end

-- Of a kind, those up to the last place sort before this.
local function end_of(kind)
  local equals, more_urgent = accepted_until(kind, last), accepted_until(kind, last - 1)
  local at = accepted(last_id)
  if more_urgent == INFINITY then
    return nil
  elseif more_urgent >= at or equals < at then
    -- Milliseconds from 1970 on, which is when the first id can be of.
    return pack('>I6', max(max(more_urgent, min(equals, at)) + 1, 0))
  end
  return last_id .. string.rep('\255', 9)
end

local counted = 0

-- Counts those of a kind that stand at one score, of which `before` have a lower one.
local function count_at(key, kind, priority, score)
  if call('ZCOUNT', key, score, score) == 0 then
    return
  end
  local function rank(probe)
    call('ZADD', key, score, probe)
    local rank = call('ZRANK', key, probe)
    call('ZREM', key, probe)
    return rank
  end
  local bound = end_of(kind)
  local upper = bound and char(priority) .. bound or char(priority + 1)
  counted = counted + max(rank(upper) - rank(char(priority)), 0)
end

if not is_out then
  local line, opening = LINE .. owner, OPENING .. owner
  for each = 0, 2 do
    count_at(line, 2 * each, each, READY[each])
    count_at(line, 2 * each, each, 'inf')
    if s.kinds >= OPENS then
      count_at(opening, 2 * each + 1, each, READY[each])
    end
  end
  for each = 0, s.kinds >= OPENS and 1 or 0 do
    local key = each == 1 and opening or line
    local coming = counted <= most and call('ZRANGEBYSCORE', key, '(0', '(inf', 'LIMIT', 0, most) or {}
    for _, other in ipairs(coming) do
      local other_id = sub(other, 2, 17)
      local rank = urgency(byte(other), each, other_id)
      if rank < last or rank == last and other_id <= last_id then
        counted = counted + 1
      end
    end
  end
  -- The message itself is among them.
  counted = counted - 1
  if s.out ~= '' then
    counted = counted + 1
  end
end
local pause, why = s.pause, s.why
if lane == 1 and s.chats_pause >= pause then
  pause, why = s.chats_pause, s.chats_why
end
local due = unpack_numbers('>I8', record)
return {
  number(max(min(counted, most), 0)), number(due), number(pause), why, is_out and 1 or 0,
  byte(record, 18) or 0, lane,
}
