-- Exact sliding windows and cells of the generic cell rate algorithm.
--
-- KEYS[i] is what is counted, ARGV[i] a request about it: a letter and numbers of eight bytes,
-- big-endian, so that their order as texts is their order as numbers. All instants come from the
-- caller; expiry only tidies up. One short text is answered to each request.
--
-- A window is one text. Its head: 'P', four bytes that tell this life of the window from others,
-- four bytes that number its permits, eight bytes for when it expires. Then for each thing that
-- counts sixteen bytes, the earliest first: the instant until or at which it counts, and the permit
-- it was reserved with, or zeros where it was done. With 'U' in front it is one that nobody has
-- primed: of what was counted before the window was lost, only what was settled since is known. Who
-- asks for such a one is told its life, and may prime no other: what is found out before a loss
-- says nothing about what happened until then. Its life is zeros until somebody asks.
--
-- A cell is two numbers of eight bytes: its instant, and when it expires.
--
-- To tell Redis when a key expires costs as much as the rest of a check, so it is told again only
-- where what it was told before is too soon.

local call, sub = redis.call, string.sub
local pack, unpack_numbers = struct.pack, struct.unpack
local HEAD = 17
local DONE = string.rep('\0', 8)
local NAMELESS = string.rep('\0', 4)

-- Puts an entry in its place. Most belong at the end.
local function insert(window, at, id)
  local last = #window - 15
  while last > HEAD and sub(window, last, last + 7) > at do
    last = last - 16
  end
  return sub(window, 1, last + 15) .. at .. id .. sub(window, last + 16)
end

-- Where a permit's entry begins. What is not settled yet is rarely far from the end.
local function find(window, id)
  for first = #window - 15, HEAD + 1, -16 do
    if sub(window, first + 8, first + 15) == id then
      return first
    end
  end
end

-- Where the caller's clock has gone back, all that is known of an event later than `horizon` is
-- that it happened before now.
local function clamp(window, horizon, now)
  local first, terms, late = #window - 15, '', 0
  while first > HEAD and sub(window, first, first + 7) > horizon do
    local entry = sub(window, first, first + 15)
    if sub(entry, 9) == DONE then
      late = late + 1
    else
      terms = entry .. terms
    end
    first = first - 16
  end
  if late > 0 then
    window = sub(window, 1, first + 15) .. terms
    for _ = 1, late do
      window = insert(window, now, DONE)
    end
  end
  return window, late > 0
end

-- Admits: now, the interval, the burst; the earliest that the key may expire, when to have it expire
-- else, and how long that is.
local function admit(key, request)
  local now, interval, burst, least, later, keep = unpack_numbers('>I8I8I8I8I8I8', request, 2)
  local kept, expires = 0, 0
  local cell = call('GET', key)
  if cell and #cell == 16 then
    kept, expires = unpack_numbers('>I8I8', cell)
  end
  cell = kept
  if cell < now then
    cell = now
  elseif cell > now + burst then
    -- Further ahead than a burst can bring it: the clock has gone back.
    cell = now + burst
  end
  local ahead = cell - now + interval
  local admitted = ahead <= burst
  local answer
  if admitted then
    cell = now + ahead
    answer = 'A' .. pack('>I8', math.floor((burst - ahead) / interval))
  else
    answer = 'W' .. pack('>I8', ahead - burst)
  end
  if admitted or cell < kept then
    if expires < least then
      call('SET', key, pack('>I8I8', cell, later), 'PX', keep)
    else
      call('SET', key, pack('>I8I8', cell, expires), 'KEEPTTL')
    end
  end
  return answer
end

-- Takes a permit back.
local function release(key, id)
  local window = call('GET', key)
  if window and sub(window, 1, 5) == 'P' .. sub(id, 1, 4) then
    local first = find(window, id)
    if first then
      call('SET', key, sub(window, 1, first - 1) .. sub(window, first + 16), 'KEEPTTL')
    end
  end
end

local answers = {}

for i = 1, #KEYS do
  local key, request = KEYS[i], ARGV[i]
  local kind = sub(request, 1, 1)
  local answer = 'K'

  if kind == 'R' then
    -- Reserve: now, since, horizon, until, the earliest that the key may expire and when to have
    -- it expire else; as numbers how long that is and the limit; and a name for a new life.
    local since, term = sub(request, 10, 17), sub(request, 26, 33)
    local keep, limit = unpack_numbers('>I8I8', request, 50)
    local window = call('GET', key)
    if not window or sub(window, 1, 1) ~= 'P' then
      if not window or sub(window, 2, 5) == NAMELESS then
        window = 'U' .. sub(request, 66, 69) .. string.rep('\0', 12) .. sub(window or '', HEAD + 1)
        call('SET', key, window, 'PX', keep)
      end
      answer = 'U' .. sub(window, 2, 5)
    else
      local clamped = false
      if #window > HEAD and sub(window, -16, -9) > sub(request, 18, 25) then
        window, clamped = clamp(window, sub(request, 18, 25), sub(request, 2, 9))
      end
      local first = HEAD + 1
      while first < #window and sub(window, first, first + 7) <= since do
        first = first + 16
      end
      local used = (#window - first + 1) / 16
      if used < limit then
        local number = unpack_numbers('>I4', window, 6) + 1
        if number > 4294967295 then
          number = 0
        end
        local id = sub(window, 2, 5) .. pack('>I4', number)
        local expires, renew = sub(window, 10, HEAD), false
        if expires < sub(request, 34, 41) then
          expires, renew = sub(request, 42, 49), true
        end
        window = insert('P' .. id .. expires .. sub(window, first), term, id)
        if renew then
          call('SET', key, window, 'PX', keep)
        else
          call('SET', key, window, 'KEEPTTL')
        end
        answer = 'G' .. id .. pack('>I4', limit - used - 1)
      else
        if clamped or first > HEAD + 1 then
          call('SET', key, sub(window, 1, HEAD) .. sub(window, first), 'KEEPTTL')
        end
        local frees = first + (used - limit) * 16
        answer = 'L' .. sub(window, frees, frees + 7)
      end
    end

  elseif kind == 'S' then
    -- Settle: the permit, when it was done, how long to keep what is new.
    local id, at = sub(request, 2, 9), sub(request, 10, 17)
    local window = call('GET', key)
    local head = window and sub(window, 1, 1)
    if head == 'P' and sub(window, 2, 5) == sub(id, 1, 4) then
      local first = find(window, id)
      if first then
        window = sub(window, 1, first - 1) .. sub(window, first + 16)
        call('SET', key, insert(window, at, DONE), 'KEEPTTL')
      end
    elseif head == 'P' or head == 'U' then
      -- A permit of another life: what it counted in was lost, and perhaps it was not in what the
      -- window was primed with.
      call('SET', key, insert(window, at, DONE), 'KEEPTTL')
    else
      local unprimed = 'U' .. DONE .. DONE .. at .. DONE
      call('SET', key, unprimed, 'PX', (unpack_numbers('>I8', request, 18)))
    end

  elseif kind == 'F' then
    -- Release: the permit.
    release(key, sub(request, 2, 9))

  elseif kind == 'P' then
    -- Prime: the life that is meant, how long to keep it, and the entries in their order. When it
    -- expires is left open: nobody has said what time it is.
    local window = call('GET', key)
    local life = sub(request, 2, 5)
    if window and life ~= NAMELESS and sub(window, 1, 5) == 'U' .. life then
      local primed = 'P' .. life .. string.rep('\0', 12) .. sub(request, 14)
      for first = HEAD + 1, #window, 16 do
        primed = insert(primed, sub(window, first, first + 7), DONE)
      end
      call('SET', key, primed, 'PX', (unpack_numbers('>I8', request, 6)))
    end

  elseif kind == 'A' then
    answer = admit(key, request)

  elseif kind == 'B' then
    -- Admit beside the request before, where that was granted a permit: it is released where this is
    -- refused.
    if sub(answers[i - 1], 1, 1) == 'G' then
      answer = admit(key, request)
      if sub(answer, 1, 1) == 'W' then
        release(KEYS[i - 1], sub(answers[i - 1], 2, 9))
      end
    end
  end

  answers[i] = answer
end

return answers
