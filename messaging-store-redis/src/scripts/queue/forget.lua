-- Forgets messages that are not out. ARGV after the head: the session, and the ids. Answers the
-- partition's state.

local owner = ARGV[2]
local ids = {}
for i = 3, #ARGV do
  ids[i - 2] = ARGV[i]
end
load({ owner })
local s = sessions[owner]

local known, members, fields = {}, {}, {}
for i, record in ipairs(call('HMGET', ITEMS, unpack(ids))) do
  if record then
    local member = sub(record, 17, 17) .. ids[i] .. sub(record, 9, 16)
    if s.out ~= member then
      known[#known + 1] = ids[i]
      members[#members + 1] = member
      fields[#fields + 1] = owner .. sub(record, 9, 16)
    end
  end
end
if #known == 0 then
  return close(INFINITY)
end

local scores = call('ZMSCORE', LINE .. owner, unpack(members))
local opening = {}
if s.kinds >= OPENS then
  opening = call('ZMSCORE', OPENING .. owner, unpack(members))
end
load_heads(fields)
local gone, gone_members = {}, {}
for i, member in ipairs(members) do
  -- What stands in no line of this session may stand in another's.
  if scores[i] or opening[i] then
    gone[#gone + 1] = known[i]
    gone_members[#gone_members + 1] = member
  end
end
if #gone == 0 then
  return close(INFINITY)
end
call('HDEL', ITEMS, unpack(gone))
call('ZREM', LINE .. owner, unpack(gone_members))
if s.kinds >= OPENS then
  call('ZREM', OPENING .. owner, unpack(gone_members))
end
-- Heads last, so that none is followed by one that is forgotten as well.
local firsts = {}
for _, member in ipairs(gone_members) do
  local place, recipient = sub(member, 1, 17), sub(member, 18)
  local head = heads[owner .. recipient]
  if head and sub(head, 1, 17) == place then
    firsts[#firsts + 1] = member
  else
    unchain(s, recipient, place)
  end
end
for _, member in ipairs(firsts) do
  unchain(s, sub(member, 18), sub(member, 1, 17))
end
write_heads()
touch(s)
return close(settle())
