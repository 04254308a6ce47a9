-- Ends claims. Each argument after the head is one: what is to become of it ('C' complete, 'R'
-- retry), session (16), recipient (8), once more what it is in line as, which is priority (1), id
-- (16) and recipient (8), token (8), and for a retry when it is due (8) and what it waits for (1).
--
-- Answers the partition's state, and a text with '1' for each claim that was good, '0' for others.

local owners, fields = {}, {}
for i = 2, #ARGV do
  owners[i - 1] = sub(ARGV[i], 2, 17)
  fields[i - 1] = sub(ARGV[i], 2, 25)
end
load(owners)
load_heads(fields)

local good, finished = {}, {}
for i = 2, #ARGV do
  local claim = ARGV[i]
  local s = sessions[owners[i - 1]]
  local place, recipient, token = sub(claim, 26, 42), sub(claim, 43, 50), sub(claim, 51, 58)
  local member, id = sub(claim, 26, 50), sub(claim, 27, 42)
  local in_time = s.out == member and s.token == token
  local late = false
  if not in_time then
    -- Its lease has ended, but nobody has got it since.
    local record = call('HGET', ITEMS, id)
    late = record and #record == 26 and sub(record, 19) == token and s.out ~= member
  end
  if in_time or late then
    if sub(claim, 1, 1) == 'C' then
      finished[#finished + 1] = id
      if late then
        -- At once: not to be taken twice in one call, nor put in line by what is noted.
        call('HDEL', ITEMS, id)
        write_lines()
        call('ZREM', LINE .. s.id, member)
        call('ZREM', OPENING .. s.id, member)
      else
        s.out, s.token, s.on_timer = '', NO_TOKEN, false
      end
      unchain(s, recipient, place)
    else
      local due = sub(claim, 59, 66)
      local at = unpack_numbers('>I8', due)
      call('HSET', ITEMS, id, due .. recipient .. sub(place, 1, 1) .. sub(claim, 67, 67))
      if late then
        local head = heads[fields[i - 1]]
        if not head or sub(head, 1, 17) == place then
          stand(s, score_of(at), member, would_open(head))
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
