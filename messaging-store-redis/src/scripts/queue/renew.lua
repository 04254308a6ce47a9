-- Goes on with claims. ARGV after the head: until when they are the claimer's; then for each its
-- message as `push` takes it (66) and its token (8).
--
-- Answers the partition's state, and a text with '1' for each that is still its claimer's, '0' for
-- others. One that is not known is taken as handed out under its claim.

lease, lease_text = tonumber(ARGV[2]), ARGV[2]
local ids, fields, owners = {}, {}, {}
for i = 3, #ARGV do
  local claim = ARGV[i]
  ids[i - 2] = sub(claim, 1, 16)
  owners[i - 2] = sub(claim, 33, 48)
  fields[i - 2] = sub(claim, 33, 56)
end
local known = call('HMGET', ITEMS, unpack(ids))
load(owners)
load_heads(fields)

local good, items = {}, {}
for i, id in ipairs(ids) do
  local claim, s, record = ARGV[i + 2], sessions[owners[i]], known[i]
  local recipient, token = sub(claim, 49, 56), sub(claim, 67, 74)
  local priority = record and sub(record, 17, 17) or sub(claim, 57, 57)
  local member = priority .. id .. recipient
  local is_good
  if s.out ~= '' then
    is_good = s.out == member and s.token == token
  else
    -- Nobody has it. It may be kept for another, whose lease has ended but who is in time still.
    is_good = not (record and #record == 26 and sub(record, 19) ~= token)
    if is_good then
      s.out, s.token = member, token
      if record then
        call('ZREM', LINE .. s.id, member)
        call('ZREM', OPENING .. s.id, member)
        if #record == 26 then
          items[#items + 1] = id
          items[#items + 1] = sub(record, 1, 18)
        end
      else
        belong(s, sub(claim, 17, 32))
        items[#items + 1] = id
        items[#items + 1] = sub(claim, 58, 65) .. recipient .. priority .. NO_REASON
        add(s, priority .. id, recipient, 0, byte(claim, 66) >= OPENS_FLAG)
      end
    end
  end
  if is_good then
    s.on_timer = false
    touch(s)
  end
  good[i] = is_good and '1' or '0'
end

if #items > 0 then
  call('HSET', ITEMS, unpack(items))
end
write_heads()
write_behind()
return { close(settle()), table.concat(good) }
