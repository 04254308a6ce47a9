-- Exact sliding windows and cells of the generic cell rate algorithm.
--
-- KEYS[i] is what is counted, ARGV[i] a request about it: a letter and numbers of eight bytes,
-- big-endian, so that their order as texts is their order as numbers. All instants come from the
-- caller; expiry only tidies up. One short text is answered to each request.
--
-- A window is one text: 'P', four bytes that tell this life of the window from others, four bytes
-- that number its permits, and for each thing that counts sixteen bytes, the earliest first: the
-- instant until or at which it counts, and the permit it was reserved with, or zeros where it was
-- done. With 'U' in front it is one that nobody has primed: of what was counted before the window
-- was lost, only what was settled since is known.

local call, sub = redis.call, string.sub
local DONE = string.rep('\0', 8)
local UNPRIMED = 'U' .. DONE

-- Puts an entry in its place behind the nine bytes of the head. Most belong at the end.
local function insert(window, at, id)
  local last = #window - 15
  while last > 9 and sub(window, last, last + 7) > at do
    last = last - 16
  end
  return sub(window, 1, last + 15) .. at .. id .. sub(window, last + 16)
end

-- Where a permit's entry begins. What is not settled yet is rarely far from the end.
local function find(window, id)
  for first = #window - 15, 10, -16 do
    if sub(window, first + 8, first + 15) == id then
      return first
    end
  end
end

-- Where the caller's clock has gone back, all that is known of an event later than `horizon` is
-- that it happened before now.
local function clamp(window, horizon, now)
  local first, terms, late = #window - 15, '', 0
  while first > 9 and sub(window, first, first + 7) > horizon do
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

local answers = {}

for i, key in ipairs(KEYS) do
  local request = ARGV[i]
  local kind = sub(request, 1, 1)
  local answer = 'K'

  if kind == 'R' then
    -- Reserve: now, since, horizon, until; and as numbers the limit and how long to keep it.
    local now, since = sub(request, 2, 9), sub(request, 10, 17)
    local horizon, term = sub(request, 18, 25), sub(request, 26, 33)
    local limit, keep = struct.unpack('>I8I8', request, 34)
    local window = call('GET', key)
    if not window or sub(window, 1, 1) ~= 'P' then
      answer = 'U'
    else
      local clamped = false
      if #window > 9 and sub(window, -16, -9) > horizon then
        window, clamped = clamp(window, horizon, now)
      end
      local first = 10
      while first < #window and sub(window, first, first + 7) <= since do
        first = first + 16
      end
      local used = (#window - first + 1) / 16
      if used < limit then
        local number = struct.unpack('>I4', window, 6) + 1
        if number > 4294967295 then
          number = 0
        end
        local id = sub(window, 2, 5) .. struct.pack('>I4', number)
        window = insert('P' .. id .. sub(window, first), term, id)
        call('SET', key, window, 'PX', keep)
        answer = 'G' .. id .. struct.pack('>I4', limit - used - 1)
      else
        if clamped or first > 10 then
          call('SET', key, sub(window, 1, 9) .. sub(window, first), 'KEEPTTL')
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
      call('SET', key, UNPRIMED .. at .. DONE, 'PX', (struct.unpack('>I8', request, 18)))
    end

  elseif kind == 'F' then
    -- Release: the permit.
    local id = sub(request, 2, 9)
    local window = call('GET', key)
    if window and sub(window, 1, 5) == 'P' .. sub(id, 1, 4) then
      local first = find(window, id)
      if first then
        call('SET', key, sub(window, 1, first - 1) .. sub(window, first + 16), 'KEEPTTL')
      end
    end

  elseif kind == 'P' then
    -- Prime: the name of its life, how long to keep it, and the entries in their order.
    local window = call('GET', key)
    local head = window and sub(window, 1, 1)
    if head ~= 'P' then
      local primed = 'P' .. sub(request, 2, 5) .. string.rep('\0', 4) .. sub(request, 14)
      if head == 'U' then
        for first = 10, #window, 16 do
          primed = insert(primed, sub(window, first, first + 7), DONE)
        end
      end
      call('SET', key, primed, 'PX', (struct.unpack('>I8', request, 6)))
    end

  elseif kind == 'A' then
    -- Admit: now, the interval, the burst, how long to keep a cell beside.
    local now, interval, burst, keep = struct.unpack('>I8I8I8I8', request, 2)
    local kept = tonumber(call('GET', key) or 0) or 0
    -- A cell further ahead than a burst can bring it comes from a clock that has gone back.
    local cell = math.max(now, math.min(kept, now + burst))
    local ahead = cell - now + interval
    local admitted = ahead <= burst
    if admitted then
      cell = now + ahead
      answer = 'A' .. struct.pack('>I8', math.floor((burst - ahead) / interval))
    else
      answer = 'W' .. struct.pack('>I8', ahead - burst)
    end
    if admitted or cell < kept then
      local wait = math.ceil((cell - now) / 1000) + keep
      call('SET', key, string.format('%.0f', cell), 'PX', wait)
    end
  end

  answers[i] = answer
end

return answers
