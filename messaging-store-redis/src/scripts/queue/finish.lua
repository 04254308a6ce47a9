-- Ends claims. Each argument after the head is one: what is to become of it ('C' complete, 'R'
-- retry), session (32), priority (1), id (16), recipient (8), token (8), and for a retry when it is
-- due (8).
--
-- Answers the partition's state, and a text with '1' for each claim that was good, '0' for others.

local owners, fields = {}, {}
for i = 2, #ARGV do
  local id = sub(ARGV[i], 2, 33)
  owners[i - 1] = id
  fields[i - 1] = id .. sub(ARGV[i], 51, 58)
end
load(owners)
load_heads(fields)

local good, finished = {}, {}
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
      call('HSET', ITEMS, id, due .. recipient .. sub(place, 1, 1))
      if late then
        local head = heads[fields[i - 1]]
        if not head or sub(head, 1, 17) == place then
          stand(s, score_of(at), member)
        end
      else
        put_back(s, at)
      end
    end
    touch(s)
    good[i - 1] = '1'
  else
    good[i - 1] = '0'
  end
end

if #finished > 0 then
  call('HDEL', ITEMS, unpack(finished))
end
write_heads()
return { close(settle()), table.concat(good) }
