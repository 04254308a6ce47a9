-- Adds messages. Each argument after the head is one: id (16), tenant (16), session (16), recipient
-- (8), priority (1), due (8), and a digit: odd where it was due when it was accepted, as then it is,
-- whatever instant the partition knows of, and '2' or more where it would open a chat. Answers the
-- partition's state.

local ids, fields, owners = {}, {}, {}
for i = 2, #ARGV do
  local item = ARGV[i]
  ids[i - 1] = sub(item, 1, 16)
  owners[i - 1] = sub(item, 33, 48)
  fields[i - 1] = sub(item, 33, 56)
end

local known = call('HMGET', ITEMS, unpack(ids))
load(owners)
load_heads(fields)

local new_items = {}
local again = {}
for i, id in ipairs(ids) do
  local item, s = ARGV[i + 1], sessions[owners[i]]
  local opens = byte(item, 66) >= OPENS_FLAG
  if not opens and (known[i] or new_items[id]) then
    open(s, sub(item, 49, 56))
  end
  if known[i] then
    again[#again + 1] = i
  else
    known[i] = true
    if new_items[id] == nil then
      belong(s, sub(item, 17, 32))
      local recipient, priority, due = sub(item, 49, 56), sub(item, 57, 57), sub(item, 58, 65)
      local at = byte(item, 66) % 2 == 1 and 0 or unpack_numbers('>I8', due)
      new_items[id] = due .. recipient .. priority .. NO_REASON
      add(s, priority .. id, recipient, at, opens)
    end
  end
end

-- What is known must be in line or out, behind somebody or the head of its recipient's, and its
-- session where it says it stands: else something was dropped, and is put right.
if #again > 0 then
  local by_session, order = {}, {}
  for _, i in ipairs(again) do
    local id, record = owners[i], known[i]
    if not by_session[id] then
      by_session[id] = {}
      order[#order + 1] = id
    end
    local waiting = by_session[id]
    waiting[#waiting + 1] = {
      item = ARGV[i + 1],
      place = sub(record, 17, 17) .. ids[i],
      recipient = sub(record, 9, 16),
      due = record,
    }
  end
  local in_turns = {}
  for n, id in ipairs(order) do
    local s = sessions[id]
    if s.tenant == NO_TENANT then
      s.tenant = sub(by_session[id][1].item, 17, 32)
    end
    in_turns[n] = id .. s.tenant
  end
  local turns = call('ZMSCORE', TURNS, unpack(in_turns))
  local timers = call('ZMSCORE', TIMERS, unpack(order))
  for n, id in ipairs(order) do
    local s, members, fields_known = sessions[id], {}, {}
    for i, message in ipairs(by_session[id]) do
      members[i] = message.place .. message.recipient
      fields_known[i] = id .. message.recipient
    end
    load_heads(fields_known)
    local first_ids = {}
    for i, field in ipairs(fields_known) do
      first_ids[i] = heads[field] and sub(heads[field], 2, 17) or NO_TENANT
    end
    local firsts = call('HMGET', ITEMS, unpack(first_ids))
    -- What was opened is in line from here on.
    write_lines()
    local opening = {}
    for _, field in ipairs(fields_known) do
      if would_open(heads[field]) then
        opening = call('ZMSCORE', OPENING .. id, unpack(members))
        break
      end
    end
    for i, score in ipairs(call('ZMSCORE', LINE .. id, unpack(members))) do
      local message, field = by_session[id][i], fields_known[i]
      local is_known = firsts[i] or new_items[first_ids[i]]
        or (s.out ~= '' and sub(s.out, 2, 17) == first_ids[i])
      if heads[field] and not is_known and sub(heads[field], 2, 17) == first_ids[i] then
        set_head(field, false)
      end
      local head = heads[field]
      local is_head = head and sub(head, 1, 17) == message.place
      if opening[i] and is_head and would_open(head) then
        score = opening[i]
        has(s, OPENS)
      elseif score then
        has(s, BIT[byte(message.place)])
      end
      local in_line = score and is_head == (tonumber(score) < INFINITY)
      local in_place = is_head or (head and has_others(head))
      if not in_place or not (in_line or s.out == members[i]) then
        call('ZREM', OPENING .. id, members[i])
        add(s, message.place, message.recipient, (unpack_numbers('>I8', message.due)),
          byte(message.item, 66) >= OPENS_FLAG)
      end
    end
    local stands = turns[n] and IN_TURNS or timers[n] and ON_TIMER or NOWHERE
    if stands ~= s.stand or (s.out ~= '' and stands ~= ON_TIMER) then
      s.stand, s.on_timer = stands, false
      touch(s)
    end
  end
end

local items = {}
for id, record in pairs(new_items) do
  items[#items + 1] = id
  items[#items + 1] = record
end
if #items > 0 then
  call('HSET', ITEMS, unpack(items))
end
write_heads()
write_behind()
return close(settle())
