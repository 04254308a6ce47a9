-- A chat is open. ARGV after the head: the session, and the recipient. Answers the partition's state.

local field = ARGV[2] .. ARGV[3]
load_heads({ field })
if not would_open(heads[field]) then
  return close(INFINITY)
end
load({ ARGV[2] })
open(sessions[ARGV[2]], ARGV[3])
write_heads()
return close(settle())
