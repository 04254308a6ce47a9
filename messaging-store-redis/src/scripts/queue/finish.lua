-- Ends claims. ARGV[1] is the command that publishes; each further argument is a claim: what is to
-- become of it ('C' complete, 'R' retry), session (32), priority (1), id (16), recipient (8), token
-- (8), and for a retry when it is due (8).
--
-- Answers when something can be claimed that could not before, and '1' for each claim that was
-- good, '0' for others.

local publish = ARGV[1]
local owners, fields = {}, {}
for i = 2, #ARGV do
  local id = sub(ARGV[i], 2, 33)
  owners[i - 1] = id
  fields[i - 1] = id .. sub(ARGV[i], 51, 58)
end
load(owners)
load_heads(fields)

local answers, finished, kept = {}, {}, {}
for i = 2, #ARGV do
  local claim = ARGV[i]
  local s = sessions[owners[i - 1]]
  local place, recipient, token = sub(claim, 34, 50), sub(claim, 51, 58), sub(claim, 59, 66)
  local member, id = place .. recipient, sub(place, 2)
  local in_time = s.out == member and s.token == token
  local late = false
  if not in_time then
    -- Its lease has ended, but nobody has got it since.
    local record = call('HGET', ITEMS, id)
    late = record and #record == 25 and sub(record, 18) == token and s.out ~= member
  end
  if in_time or late then
    if sub(claim, 1, 1) == 'C' then
      finished[#finished + 1] = id
      if late then
        -- At once: not to be taken twice in one call, nor put in line by what is noted.
        call('HDEL', ITEMS, id)
        write_lines()
        call('ZREM', LINE .. s.id, member)
      else
        s.out, s.lease, s.token, s.on_timer = '', 0, NO_TOKEN, false
      end
      unchain(s, recipient, place)
    else
      local due = sub(claim, 67, 74)
      local at = unpack_numbers('>I8', due)
      local record = due .. recipient .. sub(place, 1, 1)
      if late then
        call('HSET', ITEMS, id, record)
        local head = heads[fields[i - 1]]
        if not head or sub(head, 1, 17) == place then
          stand(s, score_of(at), member)
        end
      else
        kept[#kept + 1] = id
        kept[#kept + 1] = record
        put_back(s, at)
      end
    end
    touch(s)
    answers[i] = '1'
  else
    answers[i] = '0'
  end
end

if #finished > 0 then
  call('HDEL', ITEMS, unpack(finished))
end
if #kept > 0 then
  call('HSET', ITEMS, unpack(kept))
end
write_heads()
answers[1] = tell(publish, settle())
return answers
