-- What all scripts of the queue share: the keys of a partition, and where its sessions stand.
--
-- A script reads what it needs, decides, and writes: commands that take many arguments take them
-- together, as the call of a command costs more than what it does. Nothing here grows with what
-- waits, only with what was asked for; and no list of arguments is longer than 4000.
--
-- ARGV[1] is the head of every call: who calls (8 bytes) and about which partition (2), how many of
-- the sessions in turn to list in the answer (2), and the channel that wakes whoever waits.
--
-- Redis may drop any key at any time. What is missing is taken for what is not, and never an
-- error: recovery pushes again what it knows, and `push` puts right what it finds wrong.

local call, sub, max, min, floor = redis.call, string.sub, math.max, math.min, math.floor
local ceil = math.ceil
local pack, unpack_numbers, byte, char = struct.pack, struct.unpack, string.byte, string.char

local part = KEYS[1]
local CALLER, CHANNEL = sub(ARGV[1], 1, 10), sub(ARGV[1], 13)
local LISTED = unpack_numbers('>I2', ARGV[1], 11)
local ITEMS, HEADS, SESSIONS = part .. ':items', part .. ':heads', part .. ':sessions'
local TURNS, TENANTS, TIMERS = part .. ':turns', part .. ':tenants', part .. ':timers'
local IDLE, META = part .. ':idle', part .. ':meta'
local LINE, BEHIND, OPENING = part .. ':line:', part .. ':behind:', part .. ':opening:'

local INFINITY, NEVER = math.huge, 2 ^ 62
local NO_TENANT, NO_TOKEN = string.rep('\0', 16), string.rep('\0', 8)

-- What a message waits for that was not put back for anything, and from what on the last byte of a
-- message that is pushed says that it would open a chat.
local NO_REASON, OPENS_FLAG = '\0', byte('2')

-- Where a session stands.
local NOWHERE, IN_TURNS, ON_TIMER, IS_IDLE = 0, 1, 2, 3

-- The turn that was served last, the latest instant known, what the best informed of those who wait
-- has been told (when to come by itself), and the number of the last change. 'none' is kept where
-- all have been woken since. A partition that knows nothing may have somebody waiting.
local meta = call('HMGET', META, 'turn', 'seen', 'told', 'step')
local turn, seen, told = tonumber(meta[1]), tonumber(meta[2]) or 0, meta[3] or 'inf'
local step = tonumber(meta[4]) or 0
if not turn then
  -- New, or lost: whoever comes now must not stand before all others until the numbers catch up.
  turn = tonumber(call('ZRANGE', TURNS, 0, 0, 'WITHSCORES')[2]) or 0
end

local function number(n)
  if n == INFINITY then
    return 'inf'
  end
  return string.format('%.0f', n)
end

-- Sessions that were read, by id, and what is to be written about them.
local sessions = {}
local touched = {}
local added = {}

-- A message that may leave stands in its session's line at one of these, by its priority; one that is
-- to come at the instant when it is due, and one that waits behind another at infinity.
local READY = { [0] = -3, -2, -1 }

-- How long who waits is taken as one class more urgent, in milliseconds (`domain::urgency`).
local AGE = 5 * 60 * 1000

-- When the message of this id was accepted, in milliseconds.
local function accepted(id)
  return unpack_numbers('>I6', id)
end

-- How urgent a message is at the latest instant known: 0 the most. `lane` is 1 for one that would open
-- a chat, else 0.
local function urgency(priority, lane, id)
  local classes = floor(max(floor(seen / 1000) - accepted(id), 0) / AGE)
  return max(2 * priority + lane - 2 * classes, 0)
end

-- Until when what is handed out in this call is the claimer's. What is found out without its timer
-- comes back at once.
local lease, lease_text = seen, nil

-- A session is kept as its tenant, a byte that says where it stands, with HELD added where there
-- follow the reason of its pause, until when that is, when the earliest that is to come is due, and the
-- reason and end of the pause of its new chats; and where something is out, its token and member.
--
-- In the same byte stands what may be in its line, so that what most have not is looked for nowhere
-- else: a bit for each priority, and OPENS where messages would open chats.
local HELD, HELD_AT = 4, '>BI8I8BI8'
local KINDS, OPENS = 8, 8
local BIT = { [0] = 1, 2, 4 }

-- Reads sessions that were not read yet.
local function load(ids)
  local missing, count = {}, 0
  for _, id in ipairs(ids) do
    if not sessions[id] then
      count = count + 1
      missing[count] = id
      sessions[id] = true
    end
  end
  if count == 0 then
    return
  end
  local states = call('HMGET', SESSIONS, unpack(missing))
  for i = 1, count do
    local id, state = missing[i], states[i]
    local tenant, stands, why, pause, due, at = NO_TENANT, NOWHERE, 0, 0, 0, 18
    local kinds, chats_why, chats_pause = 0, 0, 0
    if state and #state > 16 then
      tenant, stands = sub(state, 1, 16), byte(state, 17)
      kinds = floor(stands / KINDS)
      stands = stands % KINDS
      if stands >= HELD then
        why, pause, due, chats_why, chats_pause, at = unpack_numbers(HELD_AT, state, at)
        stands = stands - HELD
      end
    end
    local is_out = state and #state > at
    -- All fields at once: a table that grows is made anew with each few.
    sessions[id] = {
      id = id,
      tenant = tenant,
      stand = stands,
      why = why,
      pause = pause,
      due = due,
      kinds = kinds,
      chats_why = chats_why,
      chats_pause = chats_pause,
      token = is_out and sub(state, at, at + 7) or NO_TOKEN,
      out = is_out and sub(state, at + 8) or '',
      on_timer = is_out,
      is_new = not state,
      is_touched = false,
      is_moved = false,
      turn = 0,
      adds = false,
      opens = false,
    }
  end
end

-- Notes that something about a session is to be kept.
local function keep(s)
  if not s.is_touched then
    s.is_touched = true
    touched[#touched + 1] = s
  end
end

-- Notes that a session may no longer stand where it belongs.
local function touch(s)
  s.is_moved = true
  keep(s)
end

-- Notes that a session may have such messages: a bit of what is kept of it.
local function has(s, bit)
  if s.kinds % (2 * bit) < bit then
    s.kinds = s.kinds + bit
    keep(s)
  end
end

-- Puts a message in its session's line, or where it would open a chat among those that would: `score`
-- is 0 where it may leave, when it is due where that is to come, and infinity where it waits behind
-- another to the same recipient. A session in turns stays there, as long as nothing that might have left
-- is put behind.
local function stand(s, score, member, opens)
  local priority = byte(member)
  local text = score == 0 and READY[priority] or number(score)
  if not s.adds and not s.opens then
    added[#added + 1] = s
  end
  local adds = s.adds
  if opens then
    adds = s.opens
    has(s, OPENS)
  else
    has(s, BIT[priority])
  end
  if not adds then
    adds = { text, member }
    if opens then
      s.opens = adds
    else
      s.adds = adds
    end
  else
    adds[#adds + 1] = text
    adds[#adds + 1] = member
  end
  if not opens and score > 0 and score < INFINITY and (s.due == 0 or score < s.due) then
    s.due = score
    keep(s)
  end
  if s.stand ~= IN_TURNS or score == INFINITY then
    touch(s)
  end
end

-- Where a message that is due then stands at the head of its recipient's.
local function score_of(due)
  if due <= seen then
    return 0
  end
  return due
end

local function write_line(key, adds)
  for first = 1, adds and #adds or 0, 2000 do
    call('ZADD', key, unpack(adds, first, min(first + 1999, #adds)))
  end
end

local function write_lines()
  for _, s in ipairs(added) do
    write_line(LINE .. s.id, s.adds)
    write_line(OPENING .. s.id, s.opens)
    s.adds, s.opens = false, false
  end
  added = {}
end

-- When something of a session may leave, or before the latest instant known where it may then; nothing
-- where there is nothing.
local function leaves_at(s)
  local first = tonumber(call('ZRANGE', LINE .. s.id, 0, 0, 'WITHSCORES')[2])
  if s.kinds >= OPENS then
    local opening = tonumber(call('ZRANGE', OPENING .. s.id, 0, 0, 'WITHSCORES')[2])
    if not opening then
      s.kinds = s.kinds - OPENS
    else
      if s.chats_pause > 0 then
        opening = max(opening, s.chats_pause)
      end
      first = min(first or INFINITY, opening)
    end
  end
  return first
end

-- Writes what was noted about sessions, and puts each where it belongs. Gives the earliest instant
-- at which something can be claimed that could not before, if there is one.
local function settle()
  write_lines()
  local kept, drop, enter, leave, timers, untimed = {}, {}, {}, {}, {}, {}
  local idle, unidle = {}, {}
  local earliest = INFINITY
  for _, s in ipairs(touched) do
    if s.pause > 0 and s.pause <= seen then
      s.pause, s.why = 0, 0
    end
    if s.chats_pause > 0 and s.chats_pause <= seen then
      s.chats_pause, s.chats_why = 0, 0
    end
    local stands, at = NOWHERE, 0
    if not s.is_moved then
      stands = s.stand
    elseif s.out ~= '' then
      stands, at = ON_TIMER, lease
    else
      local first = leaves_at(s)
      if not first or s.tenant == NO_TENANT then
        local pause = max(s.pause, s.chats_pause)
        if not first then
          s.kinds = 0
        end
        if pause > 0 then
          stands, at = IS_IDLE, pause
        end
      elseif first > seen then
        stands, at = ON_TIMER, max(first, s.pause)
      elseif s.pause > 0 then
        stands, at = ON_TIMER, s.pause
      else
        stands = IN_TURNS
      end
    end
    if s.stand == IN_TURNS and stands ~= IN_TURNS then
      leave[#leave + 1] = s.id .. s.tenant
    elseif s.stand == ON_TIMER and stands ~= ON_TIMER then
      untimed[#untimed + 1] = s.id
    elseif s.stand == IS_IDLE and stands ~= IS_IDLE then
      unidle[#unidle + 1] = s.id
    end
    if stands == IN_TURNS and s.stand ~= IN_TURNS then
      enter[#enter + 1] = s
      earliest = 0
    elseif stands == ON_TIMER and s.is_moved and not (s.on_timer and s.out ~= '') then
      timers[#timers + 1] = at == lease and lease_text or number(at)
      timers[#timers + 1] = s.id
      earliest = min(earliest, at)
    elseif stands == IS_IDLE and s.is_moved then
      idle[#idle + 1] = number(at)
      idle[#idle + 1] = s.id
    end
    s.stand, s.is_touched, s.is_moved = stands, false, false
    s.on_timer = s.out ~= ''
  end

  if #enter > 0 then
    -- Each tenant's sessions stand one after the other, so that tenants alternate however many
    -- sessions they have. Whoever was to be served in this call and could not keeps its turn.
    local tenants, last = {}, {}
    for _, s in ipairs(enter) do
      if not last[s.tenant] then
        last[s.tenant] = 0
        tenants[#tenants + 1] = s.tenant
      end
    end
    for i, kept in ipairs(call('ZMSCORE', TENANTS, unpack(tenants))) do
      last[tenants[i]] = tonumber(kept) or 0
    end
    local turns, changed = {}, {}
    for _, s in ipairs(enter) do
      if s.turn > 0 then
        s.turn = max(s.turn, turn)
      else
        s.turn = max(last[s.tenant], turn) + 1
        last[s.tenant] = s.turn
        changed[s.tenant] = true
      end
      turns[#turns + 1] = s.turn
      turns[#turns + 1] = s.id .. s.tenant
    end
    call('ZADD', TURNS, unpack(turns))
    local served = {}
    for tenant in pairs(changed) do
      served[#served + 1] = last[tenant]
      served[#served + 1] = tenant
    end
    if #served > 0 then
      call('ZADD', TENANTS, unpack(served))
    end
  end

  for _, s in ipairs(touched) do
    if s.stand == NOWHERE then
      drop[#drop + 1] = s.id
    else
      kept[#kept + 1] = s.id
      local held = ''
      if s.pause > 0 or s.due > 0 or s.chats_pause > 0 then
        held = pack(HELD_AT, s.why, s.pause, s.due, s.chats_why, s.chats_pause)
      end
      local stands = char((held == '' and s.stand or s.stand + HELD) + KINDS * s.kinds)
      kept[#kept + 1] = s.out == '' and s.tenant .. stands .. held
        or s.tenant .. stands .. held .. s.token .. s.out
    end
  end
  touched = {}
  if #kept > 0 then
    call('HSET', SESSIONS, unpack(kept))
  end
  if #drop > 0 then
    call('HDEL', SESSIONS, unpack(drop))
  end
  if #leave > 0 then
    call('ZREM', TURNS, unpack(leave))
  end
  if #timers > 0 then
    call('ZADD', TIMERS, unpack(timers))
  end
  if #untimed > 0 then
    call('ZREM', TIMERS, unpack(untimed))
  end
  if #idle > 0 then
    call('ZADD', IDLE, unpack(idle))
  end
  if #unidle > 0 then
    call('ZREM', IDLE, unpack(unidle))
  end
  return earliest
end

-- Ends a call in which `earliest` is when something can be claimed that could not before. Wakes those
-- who wait, where that is earlier than they were told; once: until somebody asks again, all know
-- that they have to.
--
-- Gives the state of the partition: the number of this change, how many sessions are in turn, when
-- others may be, and the sessions and tenants whose turn is next.
local function close(earliest)
  local count = call('ZCARD', TURNS)
  local timer = tonumber(call('ZRANGE', TIMERS, 0, 0, 'WITHSCORES')[2]) or INFINITY
  if told ~= 'none' and earliest < tonumber(told) then
    told = 'none'
    call('PUBLISH', CHANNEL, CALLER)
  end
  -- Whoever is told now comes at `next_due`. What is to be had at once needs to wake nobody more.
  local next_due = count > 0 and 0 or timer
  if told == 'none' or tonumber(told) < next_due then
    told = number(next_due)
  end
  step = step + 1
  call('HSET', META, 'turn', number(turn), 'seen', number(seen), 'told', told, 'step', step)
  local state = pack('>I8I4I8', step, count, min(timer, NEVER))
  if LISTED > 0 and count > 0 then
    return state .. table.concat(call('ZRANGE', TURNS, 0, LISTED - 1))
  end
  return state
end

-- The heads of recipients: of each recipient with messages, the place of the one that may leave, an 'n'
-- where that would open the chat, and a '+' where others wait behind it.
local heads = {}

local function would_open(head)
  return head and sub(head, 18, 18) == 'n'
end

local function has_others(head)
  return #head > 17 and sub(head, -1) == '+'
end

local function load_heads(fields)
  local missing, count = {}, 0
  for _, field in ipairs(fields) do
    if heads[field] == nil then
      count = count + 1
      missing[count] = field
      heads[field] = false
    end
  end
  if count > 0 then
    for i, head in ipairs(call('HMGET', HEADS, unpack(missing))) do
      heads[missing[i]] = head
    end
  end
end

local changed_heads = {}

local function set_head(field, head)
  heads[field] = head
  changed_heads[field] = true
end

local function write_heads()
  local set, del = {}, {}
  for field in pairs(changed_heads) do
    if heads[field] then
      set[#set + 1] = field
      set[#set + 1] = heads[field]
    else
      del[#del + 1] = field
    end
  end
  changed_heads = {}
  if #set > 0 then
    call('HSET', HEADS, unpack(set))
  end
  if #del > 0 then
    call('HDEL', HEADS, unpack(del))
  end
end

-- Takes a message out of its recipient's; where it was the head, the next becomes the head.
local function unchain(s, recipient, place)
  local field = s.id .. recipient
  local head = heads[field]
  if not head then
    return
  end
  if sub(head, 1, 17) ~= place then
    call('ZREM', BEHIND .. s.id, recipient .. place)
    return
  end
  if not has_others(head) then
    set_head(field, false)
    return
  end
  local behind = BEHIND .. s.id
  local waiting = call('ZRANGEBYLEX', behind, '[' .. recipient, '[' .. recipient .. '\255',
    'LIMIT', 0, 2)
  if not waiting[1] then
    set_head(field, false)
    return
  end
  call('ZREM', behind, waiting[1])
  local next_place = sub(waiting[1], 9)
  local opens = would_open(head)
  set_head(field, next_place .. (opens and 'n' or '') .. (waiting[2] and '+' or ''))
  local member = next_place .. recipient
  if s.out ~= member then
    local record = call('HGET', ITEMS, sub(next_place, 2))
    local due = record and unpack_numbers('>I8', record) or 0
    if opens then
      write_lines()
      call('ZREM', LINE .. s.id, member)
    end
    stand(s, score_of(due), member, opens)
  end
end

-- Gives what is out its place again, to leave at `due`.
local function put_back(s, due)
  local member = s.out
  local place, recipient = sub(member, 1, 17), sub(member, 18)
  local field = s.id .. recipient
  s.out, s.token, s.on_timer = '', NO_TOKEN, false
  if not heads[field] then
    set_head(field, place)
  end
  if sub(heads[field], 1, 17) == place then
    stand(s, score_of(due), member, would_open(heads[field]))
  else
    stand(s, INFINITY, member)
  end
end

-- The chat with a recipient is open: the first of what waits for it stands in line.
local function open(s, recipient)
  local field = s.id .. recipient
  local head = heads[field]
  if not would_open(head) then
    return
  end
  local place = sub(head, 1, 17)
  local member = place .. recipient
  set_head(field, has_others(head) and place .. '+' or place)
  if s.out ~= member then
    write_lines()
    local score = tonumber(call('ZSCORE', OPENING .. s.id, member)) or 0
    call('ZREM', OPENING .. s.id, member)
    stand(s, max(score, 0), member)
    touch(s)
  end
end

-- What waits behind others to the same recipient, by session; to be written.
local behind = {}

local function wait_behind(s, member)
  local members = behind[s.id]
  if not members then
    members = {}
    behind[s.id] = members
  end
  members[#members + 1] = 0
  members[#members + 1] = member
end

local function write_behind()
  for id, members in pairs(behind) do
    call('ZADD', BEHIND .. id, unpack(members))
  end
  behind = {}
end

-- Puts a message among those to its recipient, and in line unless it is out. `opens` says that it would
-- open the chat, as far as whoever pushed it knows: if nothing waits for the recipient, it would.
local function add(s, place, recipient, due, opens)
  local field, member = s.id .. recipient, place .. recipient
  if not opens then
    open(s, recipient)
  end
  local head = heads[field]
  local first = head and sub(head, 1, 17)
  local score = score_of(due)
  if not head then
    set_head(field, opens and place .. 'n' or place)
  else
    opens = would_open(head)
    if place < first then
      wait_behind(s, recipient .. first)
      if s.out ~= first .. recipient then
        if opens then
          write_lines()
          call('ZREM', OPENING .. s.id, first .. recipient)
        end
        stand(s, INFINITY, first .. recipient)
      end
      set_head(field, place .. (opens and 'n+' or '+'))
    elseif first < place then
      if not has_others(head) then
        set_head(field, head .. '+')
      end
      wait_behind(s, recipient .. place)
      score, opens = INFINITY, false
    end
  end
  if s.out ~= member then
    stand(s, score, member, opens)
  end
end

-- Whose messages a session has. While it is in turn it is listed with its tenant.
local function belong(s, tenant)
  if s.stand ~= IN_TURNS or s.tenant == NO_TENANT then
    s.tenant = tenant
  end
end
